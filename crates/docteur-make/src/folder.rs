//! Walks a folder.

use std::fs;
use std::path::Path;

use crate::{Error, Writer, media_type};

/// The image of every file under `folder`, hidden ones too, with media types by their names.
///
/// # Errors
/// If something cannot be read, is not UTF-8 in name, or is neither file nor folder: a symbolic link is refused rather
/// than followed, because it might lead out of the folder.
pub fn image_of_folder(folder: &Path) -> Result<Vec<u8>, Error> {
    let mut writer = Writer::new();
    let mut open = vec![(folder.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = open.pop() {
        let failed = |e| Error::Io(folder.clone(), e);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let place = entry.path();
            let name = entry.file_name().into_string().map_err(|_| Error::Name(place.clone()))?;
            let path = format!("{prefix}/{name}");
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                open.push((place, path));
            } else if kind.is_file() {
                let bytes = fs::read(&place).map_err(|e| Error::Io(place, e))?;
                writer.add(&path, media_type(&name), bytes)?;
            } else {
                return Err(Error::Special(place));
            }
        }
    }
    writer.finish()
}
