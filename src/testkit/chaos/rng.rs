//! Luck without a state: what is drawn follows from what it is drawn for.

/// 64 bits in which each bit of `number` counts.
fn mix(number: u64) -> u64 {
    // The constants are those of a well-known finalizer for 64-bit counters (Stafford's variant 13).
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The same for the same numbers, and as good as unrelated for all others.
pub(super) fn draw(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0, |drawn, number| mix(drawn ^ mix(*number)))
}

/// The number that stands for a text.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(text.len() as u64, |hash, byte| mix(hash ^ u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_repeat_and_are_spread_evenly() {
        assert_eq!(draw(&[1, 2, 3]), draw(&[1, 2, 3]));
        assert_ne!(draw(&[1, 2, 3]), draw(&[3, 2, 1]));
        assert_ne!(hash("delay on `a`"), hash("delay on `b`"));
        for seed in 0..20 {
            let ones: u32 = (0..1_000).map(|nth| draw(&[seed, 7, nth]).count_ones()).sum();
            assert!((31_000..33_000).contains(&ones), "{ones} of 64,000 bits are set");
        }
    }
}
