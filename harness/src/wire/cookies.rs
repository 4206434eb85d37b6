//! Cookies as browsers keep them (RFC 6265): each user its own, shown again by path, domain, age and `Secure`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cookie_store::{Cookie, CookieStore};
use url::Url;

use crate::secrets;
use crate::vocab::lock::LockExt;

/// More cookies of one user are not kept; browsers have a limit of this size, too.
const MOST_COOKIES: usize = 180;
/// A longer cookie is not kept (RFC 6265, section 6.1).
const LONGEST_COOKIE: usize = 4096;

/// The jars of many users. A user that has been given no cookie has nothing in it.
#[derive(Clone, Debug, Default)]
pub struct Jars(Arc<Mutex<HashMap<u32, CookieStore>>>);

impl Jars {
    /// The jar of one user; an index, until there is something in it.
    pub fn jar(&self, user: u32) -> Jar {
        Jar { jars: self.clone(), user }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u32, CookieStore>> {
        self.0.lock_unpoisoned()
    }
}

/// What servers want one user to show again. Clones are the same jar.
#[derive(Clone, Debug, Default)]
pub struct Jar {
    jars: Jars,
    user: u32,
}

impl Jar {
    /// Takes the `Set-Cookie` headers of an answer from `url`; what a browser would refuse is left out.
    pub fn learn<'a>(&self, url: &str, set: impl IntoIterator<Item = &'a str>) {
        let mut set = set.into_iter().filter(|cookie| cookie.len() <= LONGEST_COOKIE).peekable();
        if set.peek().is_none() {
            return;
        }
        let Ok(url) = Url::parse(url) else { return };
        let mut jars = self.jars.open();
        let store = jars.entry(self.user).or_default();
        for cookie in set {
            if store.iter_any().count() >= MOST_COOKIES {
                forget_ended(store);
            }
            // A cookie that cannot be read, or is not this server's to set, is no cookie.
            let Ok(cookie) = Cookie::parse(cookie, &url) else { continue };
            secrets::learn(cookie.name(), cookie.value());
            let domain = String::from(&cookie.domain);
            if store.iter_any().count() < MOST_COOKIES || store.contains_any(&domain, &cookie.path, cookie.name()) {
                let _ = store.insert(cookie.into_owned(), &url);
            }
        }
    }

    /// Names and values that are shown to `url`, those with the longest path first.
    pub fn shown(&self, url: &str) -> Vec<(String, String)> {
        let jars = self.jars.open();
        let Some(store) = jars.get(&self.user) else { return Vec::new() };
        let Ok(url) = Url::parse(url) else { return Vec::new() };
        let mut cookies = store.matches(&url);
        cookies.sort_by(|a, b| b.path.len().cmp(&a.path.len()).then_with(|| a.name().cmp(b.name())));
        cookies.iter().map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned())).collect()
    }

    /// The names of all cookies that have been set and have not ended.
    pub fn names(&self) -> Vec<String> {
        let jars = self.jars.open();
        let cookies = jars.get(&self.user).into_iter().flat_map(CookieStore::iter_unexpired);
        cookies.map(|cookie| cookie.name().to_owned()).collect()
    }

    /// This jar as it is used at one server.
    pub(crate) fn at(&self, origin: String) -> Cookies {
        Cookies { jar: self.clone(), origin }
    }
}

fn forget_ended(store: &mut CookieStore) {
    let kept: Vec<Cookie<'static>> = store.iter_unexpired().cloned().collect();
    store.clear();
    for cookie in kept {
        let url = format!("https://{}{}", String::from(&cookie.domain), &*cookie.path);
        if let Ok(url) = Url::parse(&url) {
            // It was good when it came.
            let _ = store.insert(cookie, &url);
        }
    }
}

/// A user's cookies at one server.
#[derive(Clone, Debug)]
pub(crate) struct Cookies {
    jar: Jar,
    /// Scheme and host.
    origin: String,
}

impl Cookies {
    /// Takes what an answer at `path` sets.
    pub(crate) fn learn(&self, path: &str, headers: &[(String, String)]) {
        self.jar.learn(&format!("{}{path}", self.origin), set_cookies(headers));
    }

    /// Adds what is shown at `path` to headers that say nothing of cookies themselves.
    pub(crate) fn show(&self, path: &str, headers: &mut Vec<(String, String)>) {
        if !headers.iter().any(is_cookie) {
            self.add(path, headers);
        }
    }

    /// Adds what is shown at `path`; one of the same name that is written in a header already is replaced, since the
    /// server has given another one later.
    pub(crate) fn add(&self, path: &str, headers: &mut Vec<(String, String)>) {
        add(&self.jar, &format!("{}{path}", self.origin), headers);
    }
}

/// Adds what a jar shows at `url` to headers; there is one `Cookie` header at most.
pub(crate) fn add(jar: &Jar, url: &str, headers: &mut Vec<(String, String)>) {
    let shown = jar.shown(url);
    if shown.is_empty() {
        return;
    }
    let mut pairs: Vec<String> = Vec::new();
    for (_, written) in headers.iter().filter(|header| is_cookie(header)) {
        let name = |pair: &str| pair.split('=').next().unwrap_or_default().trim().to_owned();
        let kept = written.split(';').map(str::trim).filter(|pair| !pair.is_empty());
        pairs.extend(kept.filter(|pair| !shown.iter().any(|(known, _)| *known == name(pair))).map(str::to_owned));
    }
    headers.retain(|header| !is_cookie(header));
    pairs.extend(shown.iter().map(|(name, value)| format!("{name}={value}")));
    headers.push(("Cookie".to_owned(), pairs.join("; ")));
}

fn is_cookie(header: &(String, String)) -> bool {
    header.0.eq_ignore_ascii_case("cookie")
}

/// The values of all `Set-Cookie` headers.
pub(crate) fn set_cookies(headers: &[(String, String)]) -> impl Iterator<Item = &str> {
    headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(jar: &Jar, url: &str) -> String {
        let mut headers = Vec::new();
        add(jar, url, &mut headers);
        headers.pop().map(|(_, value)| value).unwrap_or_default()
    }

    #[test]
    fn cookies_are_shown_where_they_belong() {
        let jar = Jar::default();
        let set = [
            "sid=1; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600",
            "theme=dark; Path=/",
            "admin=1; Path=/admin",
            "gone=x; Path=/; Max-Age=0",
            "past=x; Path=/; Expires=Thu, 01 Jan 2015 00:00:00 GMT",
            "elsewhere=1; Domain=other.example; Path=/",
            "wide=1; Domain=example.org; Path=/",
            "secret=1; Secure; Path=/",
            "broken",
        ];
        jar.learn("http://app.example.org:3000/login", set);
        assert_eq!(header(&jar, "http://app.example.org:3000/socket.io/?EIO=4"), "sid=1; theme=dark; wide=1");
        assert_eq!(header(&jar, "http://app.example.org/admin/x"), "admin=1; sid=1; theme=dark; wide=1");
        assert_eq!(header(&jar, "https://app.example.org/"), "secret=1; sid=1; theme=dark; wide=1");
        assert_eq!(header(&jar, "http://other.example/"), "");
        assert_eq!(header(&jar, "http://api.example.org/"), "wide=1");
    }

    #[test]
    fn a_cookie_without_a_path_belongs_to_the_folder_it_came_from() {
        let jar = Jar::default();
        jar.learn("http://h/api/socket/?EIO=4", ["node=a"]);
        assert_eq!(header(&jar, "http://h/api/socket/"), "node=a");
        assert_eq!(header(&jar, "http://h/other"), "");
    }

    #[test]
    fn a_cookie_is_replaced_and_taken_back() {
        let jar = Jar::default();
        jar.learn("http://h/", ["sid=1; Path=/", "sid=2; Path=/"]);
        assert_eq!(header(&jar, "http://h/"), "sid=2");
        let mut headers = vec![("cookie".to_owned(), "lang=de; sid=0".to_owned())];
        add(&jar, "http://h/", &mut headers);
        assert_eq!(headers, [("Cookie".to_owned(), "lang=de; sid=2".to_owned())]);
        jar.learn("http://h/", ["sid=; Path=/; Max-Age=0"]);
        assert_eq!(header(&jar, "http://h/"), "");
    }

    #[test]
    fn jars_are_each_users_own_and_empty_ones_take_no_room() {
        let jars = Jars::default();
        let (one, other) = (jars.jar(1), jars.jar(2));
        one.learn("http://h/", ["lb=a; Path=/"]);
        one.clone().learn("http://h/", ["more=b; Path=/"]);
        other.learn("http://h/", []);
        assert_eq!(header(&one, "http://h/"), "lb=a; more=b");
        assert_eq!(header(&other, "http://h/"), "");
        assert_eq!(jars.open().len(), 1);
    }

    #[test]
    fn a_server_cannot_fill_a_jar_without_end() {
        let jar = Jar::default();
        for number in 0..1_000 {
            jar.learn("http://h/", [format!("c{number}={}; Path=/", "x".repeat(number * 8)).as_str()]);
        }
        assert_eq!(jar.names().len(), MOST_COOKIES);
        // Those that have ended make room for others.
        for number in 0..MOST_COOKIES {
            jar.learn("http://h/", [format!("c{number}=; Path=/; Max-Age=0").as_str()]);
        }
        jar.learn("http://h/", ["last=1; Path=/"]);
        assert_eq!(jar.names(), ["last"]);
    }
}
