//! The command of a run as it is recorded: without what is secret in it.

/// Options whose value gets one into a target.
const SECRET: [&str; 3] = ["--auth", "--header", "--query"];
const HIDDEN: &str = "…";

/// The words of a command; of the values of `--auth`, `--header` and `--query` the names are kept, and of a URL the user is
/// not.
pub fn without_secrets(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut option: Option<String> = None;
    let word = |word: String| {
        if let Some(option) = option.take() {
            return hidden(&option, &word);
        }
        match word.split_once('=') {
            Some((name, value)) if SECRET.contains(&name) => format!("{name}={}", hidden(name, value)),
            _ if SECRET.contains(&word.as_str()) => {
                option = Some(word.clone());
                word
            }
            _ => without_user(&word),
        }
    };
    words.map(word).collect()
}

fn hidden(option: &str, value: &str) -> String {
    let name = |separator: &str| value.split(separator).next().unwrap_or_default().trim().to_owned();
    match option {
        "--header" => format!("{}: {HIDDEN}", name(":")),
        "--query" => format!("{}={HIDDEN}", name("=")),
        _ => HIDDEN.to_owned(),
    }
}

/// `http://me:secret@host` without whoever that is.
fn without_user(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => format!("{scheme}://{HIDDEN}{}", &rest[at..]),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gets_one_in_is_not_recorded() {
        let words = [
            "sio-bench",
            "run",
            "x.toml",
            "--auth",
            "{\"token\":\"t\"}",
            "--header",
            "X-Key: k",
            "--query=tenant=t",
            "--target",
            "http://me:p@ss@host:80/a?b",
            "--set",
            "rate=1/s",
            "--path",
            "/rt",
        ];
        let recorded = without_secrets(words.into_iter().map(ToOwned::to_owned));
        assert_eq!(
            recorded,
            [
                "sio-bench",
                "run",
                "x.toml",
                "--auth",
                "…",
                "--header",
                "X-Key: …",
                "--query=tenant=…",
                "--target",
                "http://…@host:80/a?b",
                "--set",
                "rate=1/s",
                "--path",
                "/rt",
            ]
        );
    }
}
