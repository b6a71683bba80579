//! Secrets: named in files as `secret://name`, read at the moment of use, never written down.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};

/// The text of a secret. Prints as `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<Arc<str>>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NoSecret {
    /// It is nowhere.
    #[error("the secret `{name}` is not set: set the environment variable {variable}")]
    Missing {
        /// As in `secret://name`.
        name: String,
        /// Where it was looked for first.
        variable: String,
    },
    /// Its file is there and cannot be read.
    #[error("the file of the secret `{name}` cannot be read")]
    Unreadable {
        /// As in `secret://name`.
        name: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Where secrets come from. Asked at every call, so that a rotated secret counts at once.
pub trait Secrets: Send + Sync {
    /// The secret `name` as it is now.
    ///
    /// # Errors
    /// [`NoSecret`]: nothing may be sent.
    fn get(&self, name: &str) -> Result<Secret, NoSecret>;
}

/// How a variable of the environment is looked up: the binary brings it.
pub type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// `SUREFOOT_SECRET_NAME` in the environment, else the file `name` in the secrets directory.
#[derive(Clone)]
pub struct SystemSecrets {
    environment: Lookup,
    directory: Option<PathBuf>,
}

impl SystemSecrets {
    /// With a directory, a secret that is not in the environment is the content of the file of its name, without the line
    /// ends at its end.
    pub fn new(environment: Lookup, directory: Option<PathBuf>) -> SystemSecrets {
        SystemSecrets { environment, directory }
    }
}

/// `SUREFOOT_SECRET_BILLING_KEY` for `billing-key`, `SUREFOOT_SECRET_BILLING_KEY_2` for `billing-key@2`.
pub fn variable(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    format!("SUREFOOT_SECRET_{name}")
}

impl Secrets for SystemSecrets {
    fn get(&self, name: &str) -> Result<Secret, NoSecret> {
        let variable = variable(name);
        if let Some(text) = (self.environment)(&variable) {
            return Ok(Secret::new(text));
        }
        let missing = || NoSecret::Missing { name: name.to_owned(), variable };
        let plain = !name.is_empty() && end(name) == name.len();
        let Some(directory) = self.directory.as_ref().filter(|_| plain) else { return Err(missing()) };
        match std::fs::read_to_string(directory.join(name)) {
            Ok(text) => Ok(Secret::new(text.trim_end_matches(['\r', '\n']))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(missing()),
            Err(source) => Err(NoSecret::Unreadable { name: name.to_owned(), source }),
        }
    }
}

/// Secrets given as pairs: for embedding and for tests.
impl Secrets for BTreeMap<String, Secret> {
    fn get(&self, name: &str) -> Result<Secret, NoSecret> {
        let missing = || NoSecret::Missing { name: name.to_owned(), variable: variable(name) };
        BTreeMap::get(self, name).cloned().ok_or_else(missing)
    }
}

/// A text in which `secret://name` stands for a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretText(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Secret(String),
}

const SCHEME: &str = "secret://";

impl SecretText {
    /// Reads a text. A name is letters, digits, `-` and `_`; `@` and such a word after it is its version, and part of the name.
    pub fn parse(text: &str) -> SecretText {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once(SCHEME) {
            let end = end(after);
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Secret(after[..end].to_owned()));
            rest = &after[end..];
        }
        parts.push(Part::Text(rest.to_owned()));
        SecretText(parts)
    }

    /// The secrets that it names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Secret(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text with its secrets, which `scrubber` learns.
    pub(crate) fn resolve(&self, secrets: &dyn Secrets, scrubber: &mut Scrubber) -> Result<String, NoSecret> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Secret(name) => {
                    let secret = secrets.get(name)?;
                    scrubber.add(secret.reveal());
                    out.push_str(secret.reveal());
                }
            }
        }
        Ok(out)
    }
}

/// Where a name, with its version if one is written, ends: `key`, `key@2`.
fn end(text: &str) -> usize {
    let word = |text: &str| text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    let name = word(text);
    let version = text[name..].strip_prefix('@').map_or(0, word);
    if name == 0 || version == 0 { name } else { name + 1 + version }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// Takes secrets out of what comes back: a server may echo what it was sent.
#[derive(Default)]
pub(crate) struct Scrubber {
    needles: Vec<Vec<u8>>,
}

/// Shorter texts are no secrets, and taking them out would garble answers.
const SHORTEST: usize = 6;

impl Scrubber {
    /// Scrubs `text` as it is, as it stands in JSON (also in JSON within JSON), in a URL, in hexadecimal, and within base64.
    pub(crate) fn add(&mut self, text: &str) {
        if text.len() < SHORTEST {
            return;
        }
        let (json, digits) = (quoted(text), hex::encode(text));
        let url: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let mut forms = vec![text.to_owned(), quoted(&json), json, url.replace('+', "%20"), url];
        forms.extend([digits.to_uppercase(), digits]);
        forms.extend(in_base64(text.as_bytes()).flat_map(|text| [text.replace('+', "-").replace('/', "_"), text]));
        for form in forms.into_iter().map(String::into_bytes) {
            if !self.needles.contains(&form) {
                self.needles.push(form);
            }
        }
        // A longer form first: it may hold a shorter one.
        self.needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    }

    /// The length of its longest form of a secret: as much of the end of a text that was cut may be the begin of one.
    pub(crate) fn longest(&self) -> usize {
        self.needles.first().map_or(0, Vec::len)
    }

    /// The bytes with every secret replaced by `[secret]`.
    pub(crate) fn scrub(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.needles.iter().fold(bytes, |bytes, needle| replace(bytes, needle))
    }

    /// Like [`Scrubber::scrub`] for a text.
    pub(crate) fn scrub_text(&self, text: String) -> String {
        let bytes = self.scrub(text.into_bytes());
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// As it stands between the quotes of a JSON text.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

/// What stands of `bytes` in the base64 of anything that holds them: it depends on how many bytes stand before, modulo three. The
/// characters at both ends that others have a part in are left out.
fn in_base64(bytes: &[u8]) -> impl Iterator<Item = String> {
    (0..3_usize).map(|before| {
        let whole = BASE64_STANDARD_NO_PAD.encode([&[0; 2][..before], bytes].concat());
        whole[(before * 8).div_ceil(6)..(before + bytes.len()) * 8 / 6].to_owned()
    })
}

fn replace(bytes: Vec<u8>, needle: &[u8]) -> Vec<u8> {
    let first = |from: &[u8]| from.windows(needle.len()).position(|window| window == needle);
    let Some(mut at) = first(&bytes) else { return bytes };
    let (mut rest, mut out) = (&bytes[..], Vec::with_capacity(bytes.len()));
    loop {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"[secret]");
        rest = &rest[at + needle.len()..];
        match first(rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
    }

    #[test]
    fn a_secret_is_read_from_the_environment_or_its_file() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("billing-key"), "hunter2\n").unwrap();
        let environment: Lookup = Arc::new(|name| (name == "SUREFOOT_SECRET_CRM").then(|| "letmein".to_owned()));
        let secrets = SystemSecrets::new(environment, Some(directory.path().to_owned()));
        assert_eq!(secrets.get("crm").unwrap().reveal(), "letmein");
        assert_eq!(secrets.get("billing-key").unwrap().reveal(), "hunter2");
        assert_eq!(
            secrets.get("mail-key").unwrap_err().to_string(),
            "the secret `mail-key` is not set: set the environment variable SUREFOOT_SECRET_MAIL_KEY"
        );
        assert!(secrets.get("../billing-key").is_err());
    }

    #[test]
    fn a_text_names_its_secrets() {
        let text = SecretText::parse("Bearer secret://billing-key, secret://two");
        assert_eq!(text.names().collect::<Vec<_>>(), ["billing-key", "two"]);
        let secrets =
            BTreeMap::from(["billing-key", "two"].map(|name| (name.to_owned(), Secret::new(name.to_uppercase()))));
        assert_eq!(text.resolve(&secrets, &mut Scrubber::default()).unwrap(), "Bearer BILLING-KEY, TWO");
        let versions = SecretText::parse("secret://key@2, a@b secret://key@ secret://key");
        assert_eq!(versions.names().collect::<Vec<_>>(), ["key@2", "key", "key"]);
        assert_eq!(variable("key@2"), "SUREFOOT_SECRET_KEY_2");
        assert_eq!(SecretText::parse("plain").resolve(&secrets, &mut Scrubber::default()).unwrap(), "plain");
    }

    #[test]
    fn every_form_of_a_secret_is_taken_out() {
        let mut scrubber = Scrubber::default();
        scrubber.add("p\"ss w/rd");
        scrubber.add("short");
        let text = r#"a p"ss w/rd b p\"ss w/rd c p%22ss+w%2Frd d p%22ss%20w%2Frd short p"ss w/rd"#;
        assert_eq!(scrubber.scrub_text(text.to_owned()), "a [secret] b [secret] c [secret] d [secret] short [secret]");
    }

    #[test]
    fn a_secret_within_another_form_is_taken_out() {
        let (secret, mut scrubber) = ("p\"ss?w/rd>", Scrubber::default());
        scrubber.add(secret);
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let mut said = vec![json(&json(secret)), hex::encode(secret), hex::encode_upper(format!("user:{secret}"))];
        for before in ["", "u", "us", "Bearer ", "user:"] {
            let whole = format!("{before}{secret}, and more");
            said.push(base64::prelude::BASE64_STANDARD.encode(&whole));
            said.push(base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(&whole));
        }
        for text in said {
            let scrubbed = scrubber.scrub_text(text.clone());
            assert!(scrubbed.contains("[secret]"), "{text} is {scrubbed}");
        }
    }
}
