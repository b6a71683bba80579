//! Who looks: a link that lets one browser in once, the sessions that came of such links, and the token of a program.
//!
//! Only digests are kept: what is in memory lets nobody in.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::{HeaderMap, header};
use kernel::ids::Digest;
use runtime::Random;
use tokio::{sync::Notify, time::Instant};

use crate::pace::Pace;

/// The cookie of a session is called so, with the port: a browser gives cookies to every port of a host.
const COOKIE: &str = "surefoot_session";
/// Sessions at once; the longest unused one goes.
const MOST: usize = 64;

/// Sessions of one server. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    random: Arc<dyn Random>,
    /// Of the link that is open.
    link: Mutex<Option<Digest>>,
    /// Of the token that programs bring.
    program: Option<Digest>,
    /// Of whoever brings that token.
    pace: Mutex<Pace>,
    all: Mutex<Known>,
    entered: Notify,
}

#[derive(Default)]
struct Known {
    uses: u64,
    sessions: HashMap<Digest, Kept>,
}

struct Kept {
    used: u64,
    pace: Pace,
    session: Session,
}

/// A browser that came in by a link, or a program that brought the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// What forms must carry.
    pub(crate) csrf: Arc<str>,
    /// The person it acts as, by the people of a project.
    pub(crate) person: Option<Arc<str>>,
    key: Option<Digest>,
}

impl Session {
    /// Whether it is a program's, which sends no cookie by itself.
    pub(crate) fn is_program(&self) -> bool {
        self.key.is_none()
    }

    /// Whether a form of this session carries what it must.
    pub(crate) fn signed(&self, csrf: &str) -> bool {
        // Compared by digest: the time that it takes tells nothing about the text.
        self.key.is_some() && digest(csrf) == digest(&self.csrf)
    }
}

impl Sessions {
    /// None yet. `program` is the token that programs bring, if they may come at all.
    pub fn new(random: Arc<dyn Random>, program: Option<&str>) -> Sessions {
        let program = program.map(digest);
        let (link, pace, all, entered) = (Mutex::default(), Mutex::default(), Mutex::default(), Notify::new());
        Sessions { inner: Arc::new(Inner { random, link, program, pace, all, entered }) }
    }

    /// A new token for a link, which lets one browser in once; an earlier one that was not used lets nobody in any more.
    pub fn link(&self) -> String {
        let token = self.secret();
        *lock(&self.inner.link) = Some(digest(&token));
        token
    }

    /// Waits until a browser has come in.
    pub async fn entered(&self) {
        self.inner.entered.notified().await;
    }

    /// Uses a link up: the value of the cookie of a new session.
    pub(crate) fn enter(&self, token: &str, headers: &HeaderMap) -> Option<String> {
        let mut link = lock(&self.inner.link);
        link.take_if(|open| *open == digest(token))?;
        drop(link);
        let (secret, csrf) = (self.secret(), self.secret());
        let key = digest(&secret);
        let mut all = lock(&self.inner.all);
        if all.sessions.len() >= MOST
            && let Some(oldest) = all.sessions.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| *key)
        {
            all.sessions.remove(&oldest);
        }
        all.uses += 1;
        let session = Session { csrf: csrf.into(), person: None, key: Some(key) };
        let used = all.uses;
        all.sessions.insert(key, Kept { used, pace: Pace::default(), session });
        self.inner.entered.notify_one();
        Some(format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict", name(headers)))
    }

    /// Whose request it is.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<Session> {
        if let Some(sent) = headers.get(header::AUTHORIZATION) {
            let token = sent.to_str().ok()?.strip_prefix("Bearer ")?;
            let known = self.inner.program.is_some_and(|program| program == digest(token.trim()));
            return known.then(|| Session { csrf: "".into(), person: None, key: None });
        }
        let mut all = lock(&self.inner.all);
        all.uses += 1;
        let used = all.uses;
        let kept = all.sessions.get_mut(&digest(cookie(headers)?))?;
        kept.used = used;
        Some(kept.session.clone())
    }

    /// Whether it may send another request now.
    pub(crate) fn admit(&self, session: &Session) -> bool {
        let now = Instant::now();
        match session.key {
            None => lock(&self.inner.pace).take(now),
            Some(key) => lock(&self.inner.all).sessions.get_mut(&key).is_some_and(|kept| kept.pace.take(now)),
        }
    }

    /// From now on the session acts as this person.
    pub(crate) fn act_as(&self, session: &Session, person: Option<Arc<str>>) {
        let Some(key) = session.key else { return };
        if let Some(kept) = lock(&self.inner.all).sessions.get_mut(&key) {
            kept.session.person = person;
        }
    }

    fn secret(&self) -> String {
        let mut bytes = [0; 32];
        self.inner.random.fill(&mut bytes);
        hex::encode(bytes)
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let name = name(headers);
    all.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix(&*name)?.strip_prefix('='))
}

/// What the cookie is called on the host that the browser names.
fn name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match host.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(port) => format!("{COOKIE}_{port}"),
        None => COOKIE.to_owned(),
    }
}

fn digest(text: &str) -> Digest {
    Digest::of(&[text.as_bytes()])
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic leaves a session or none, never half a one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use runtime::testing::TestRandom;

    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).expect("the tests' values are visible ASCII"));
        headers
    }

    fn sessions(program: Option<&str>) -> Sessions {
        Sessions::new(Arc::new(TestRandom::default()), program)
    }

    #[test]
    fn a_link_lets_one_browser_in_once() {
        let sessions = sessions(None);
        let token = sessions.link();
        assert_eq!(sessions.enter("guessed", &HeaderMap::new()), None);
        let set = sessions.enter(&token, &HeaderMap::new()).expect("the link is new");
        assert_eq!(sessions.enter(&token, &HeaderMap::new()), None, "it was used");
        let sent = set.split(';').next().expect("a cookie begins with its value");
        let session = sessions.find(&headers(header::COOKIE, &format!("other=1; {sent}"))).expect("it is known");
        assert!(session.signed(&session.csrf) && !session.signed("") && !session.is_program());
        assert_eq!(sessions.find(&headers(header::COOKIE, "surefoot_session=guessed")), None);
    }

    #[test]
    fn servers_on_two_ports_keep_their_sessions_in_one_browser() {
        let sessions = sessions(None);
        let at = |port: u16| headers(header::HOST, &format!("127.0.0.1:{port}"));
        let set = sessions.enter(&sessions.link(), &at(4000)).expect("the link is new");
        let sent = set.split(';').next().expect("a cookie begins with its value");
        let mut back = at(4000);
        let both = format!("surefoot_session_4001=other; {sent}");
        back.insert(header::COOKIE, HeaderValue::from_str(&both).expect("it is visible ASCII"));
        assert!(sessions.find(&back).is_some(), "{both}");
        back.insert(header::HOST, HeaderValue::from_static("127.0.0.1:4001"));
        assert!(sessions.find(&back).is_none(), "{both}");
    }

    #[test]
    fn a_newer_link_closes_an_older_one() {
        let sessions = sessions(None);
        let (old, new) = (sessions.link(), sessions.link());
        assert_eq!(sessions.enter(&old, &HeaderMap::new()), None);
        assert!(sessions.enter(&new, &HeaderMap::new()).is_some());
    }

    #[test]
    fn a_program_brings_its_token() {
        let sessions = sessions(Some("s3cret"));
        let session = sessions.find(&headers(header::AUTHORIZATION, "Bearer s3cret")).expect("it is the token");
        assert!(session.is_program() && !session.signed(""));
        assert_eq!(sessions.find(&headers(header::AUTHORIZATION, "Bearer other")), None);
        assert_eq!(self::sessions(None).find(&headers(header::AUTHORIZATION, "Bearer ")), None);
    }

    #[test]
    fn the_longest_unused_session_goes_first() {
        let sessions = sessions(None);
        let enter = || {
            let set = sessions.enter(&sessions.link(), &HeaderMap::new()).expect("the link is new");
            headers(header::COOKIE, set.split(';').next().unwrap_or_default())
        };
        let (first, second) = (enter(), enter());
        assert!(sessions.find(&first).is_some());
        for _ in 2..=MOST {
            enter();
        }
        assert!(sessions.find(&first).is_some());
        assert!(sessions.find(&second).is_none());
    }
}
