//! What others have named, on its way into a manifest.

use crate::vocab::text::is_turning;

/// A text of one line that is read as it is written, in every format.
pub fn plain(text: &str) -> Result<String, String> {
    // In YAML these end a line, or are read as nothing.
    let is_bad = |c: char| c.is_control() || is_turning(c) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    match text.chars().find(|c| is_bad(*c)) {
        Some(bad) => Err(format!(
            "has the character U+{:04X} in it, which cannot be written in a manifest; expected letters and signs that can be seen",
            u32::from(bad)
        )),
        None if text.is_empty() => Err("is empty".to_owned()),
        None => Ok(text.to_owned()),
    }
}

/// The name of an image, as registries have them.
pub fn image(text: &str) -> Result<String, String> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@');
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_fine) {
        return Ok(text.to_owned());
    }
    Err("is no name of an image; expected one such as registry.example.org/sio-bench:0.1.0".to_owned())
}

/// A host as ssh takes it: `HOST`, `USER@HOST` or `ssh://USER@HOST:PORT`. What ssh or a shell behind it could read as something else is none.
pub fn host(text: &str) -> Result<String, String> {
    let text = plain(text)?;
    let is_bad = |c: char| c.is_whitespace() || "'`\"$;&<>|(){}\\!*?~#".contains(c);
    let name = text.strip_prefix("ssh://").unwrap_or(&text);
    let mut parts = name.split('@');
    if text.contains(is_bad) || parts.any(|part| part.is_empty() || part.starts_with('-')) {
        return Err(
            "is no host; expected HOST, USER@HOST or ssh://USER@HOST:PORT, and none that begins with `-`".to_owned()
        );
    }
    Ok(text)
}

/// A program: its name, or its path.
pub fn program(text: &str) -> Result<String, String> {
    let text = plain(text)?;
    if text.starts_with('-') {
        return Err("begins with `-`; expected the name of a program, or its path".to_owned());
    }
    Ok(text)
}

/// MiB, of a size such as `2GiB` or `512MiB`; ten TiB at most.
pub fn memory(text: &str) -> Result<u32, String> {
    let wanted = || format!("`{text}` is no size of a memory; expected whole MiB or GiB, such as 512MiB or 2GiB");
    let (number, factor) = match (text.strip_suffix("GiB"), text.strip_suffix("MiB")) {
        (Some(number), _) => (number, 1_024),
        (None, Some(number)) => (number, 1),
        (None, None) => return Err(wanted()),
    };
    let mebibytes = number.trim().parse::<u32>().ok().and_then(|number| number.checked_mul(factor));
    mebibytes
        .filter(|size| (64..=10 << 20).contains(size))
        .ok_or_else(|| format!("{}, from 64MiB to 10240GiB", wanted()))
}

/// A variable that every shell and scheduler can set.
pub fn variable(name: &str) -> Result<String, String> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(is_fine) {
        return Err(format!(
            "the scenario reads the environment variable `{name}`, and no shell can set one of that name; expected letters, digits and `_`"
        ));
    }
    Ok(name.to_owned())
}

/// The name of a scenario as a label of DNS, behind `sio-bench-`.
pub fn label(name: &str) -> String {
    let tame: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let words: Vec<&str> = tame.split('-').filter(|word| !word.is_empty()).collect();
    let short: String = words.join("-").chars().take(30).collect();
    match short.trim_end_matches('-') {
        "" => "sio-bench-run".to_owned(),
        short => format!("sio-bench-{short}"),
    }
}
