//! Folders: they are removed as a whole, and their names are forced onto the disk.

use super::event::StoreError;
use std::fs;
#[cfg(unix)]
use std::fs::File;
use std::io;
use std::path::Path;

/// The name of a folder whose stream was deleted begins so.
pub(super) const DELETED: &str = ".deleted-";

/// Removes the folder of a stream: under another name first, so that no half of it is ever found.
pub(super) fn remove(folder: &Path) -> Result<(), StoreError> {
    let failed = |error: &io::Error| StoreError::io(folder, error);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let aside = folder.with_file_name(format!("{DELETED}{name}"));
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(|error| failed(&error))?;
    }
    fs::rename(folder, &aside).map_err(|error| failed(&error))?;
    fs::remove_dir_all(&aside).map_err(|error| failed(&error))
}

#[cfg(unix)]
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Names are on the disk with their files.
#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
