//! Small cases; the property tests and models are in `tests/`.

use super::*;

#[test]
fn a_removed_entry_is_in_no_remembered_route() {
    let matcher = Matcher::new();
    let pattern = Pattern::new("a.*").unwrap();
    let value = std::sync::Arc::new(());
    let id = matcher.insert(&pattern, value.clone());
    for _ in 0..4 {
        assert_eq!(matcher.matches("a.b").len(), 1);
    }
    assert!(matcher.stats().cached_routes > 0);
    matcher.remove(&pattern, id);
    assert_eq!(std::sync::Arc::strong_count(&value), 1);
}
