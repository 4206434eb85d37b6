//! Where the last calibration of this machine is kept.

use std::fs;
use std::path::PathBuf;

use super::Calibration;
use crate::input;

/// `$XDG_DATA_HOME/sio-bench/calibration.json`, by the rules of the XDG base directories.
pub fn path() -> Option<PathBuf> {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let data = data.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share")))?;
    Some(data.join("sio-bench").join("calibration.json"))
}

/// The last calibration, if there is one that this version can read.
pub fn read() -> Option<Calibration> {
    serde_json::from_str(&input::text(&path()?).ok()?).ok()
}

/// Keeps a calibration; returns where.
pub fn write(calibration: &Calibration) -> Result<PathBuf, String> {
    let path = path().ok_or_else(|| "neither XDG_DATA_HOME nor HOME says where to keep it".to_owned())?;
    let text = serde_json::to_string_pretty(calibration).map_err(|error| error.to_string())?;
    let folder = path.parent().map_or_else(PathBuf::new, PathBuf::from);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
    written.map_err(|error| format!("cannot keep the calibration in {}: {error}", path.display()))?;
    Ok(path)
}
