//! Patterns of host names: `example.com`, `*.example.com`.

use std::{fmt, sync::Arc};

/// A host name, or all names below one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern {
    /// Without `*.`, in lower case.
    name: Arc<str>,
    below: bool,
}

/// Top-level domains that no resolver of the world answers for (RFC 2606, RFC 6761).
pub const RESERVED_TLDS: [&str; 4] = ["test", "example", "invalid", "localhost"];

impl HostPattern {
    /// Reads `example.com` (that name alone) or `*.example.com` (every name below it, at any depth, and not the name itself).
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with the text.
    pub fn parse(text: &str) -> Result<HostPattern, &'static str> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.contains(['/', ':', '@']) {
            return Err("is more than a host name: leave out the scheme, the port and the path");
        }
        if name.contains('*') {
            return Err("has a `*` elsewhere than in a leading `*.`");
        }
        if !name.is_ascii() {
            return Err("is not in ASCII: write its `xn--` form");
        }
        if name.len() > 253 || name.split('.').any(|label| label.is_empty() || label.len() > 63) {
            return Err("is no host name: labels of 1 to 63 characters with one dot between");
        }
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if !name.chars().all(|c| fits(c) || c == '.') {
            return Err("is no host name: lower-case letters, digits, `-` and dots");
        }
        // `0x7f.1` and `2130706433` are addresses to whoever reads URLs.
        let last = name.rsplit('.').next().unwrap_or_default();
        if last.starts_with("0x") || last.chars().all(|c| c.is_ascii_digit()) {
            return Err("is an address: name hosts, addresses are never listed");
        }
        Ok(HostPattern { name: name.into(), below })
    }

    /// Whether `host` is meant: in ASCII and lower case, with or without a dot at its end.
    pub fn matches(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        if !self.below {
            return host == &*self.name;
        }
        host.strip_suffix(&*self.name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    }

    /// Whether nobody in the world can own a name that fits.
    pub fn is_reserved(&self) -> bool {
        RESERVED_TLDS.contains(&self.name.rsplit('.').next().unwrap_or_default())
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_a_name_or_all_below_it() {
        let one = HostPattern::parse("example.com").unwrap();
        let below = HostPattern::parse("*.example.com").unwrap();
        assert!(one.matches("example.com") && one.matches("example.com."));
        assert!(!one.matches("www.example.com") && !one.matches("badexample.com") && !one.matches("example.com.evil"));
        assert!(below.matches("www.example.com") && below.matches("a.b.example.com."));
        assert!(!below.matches("example.com") && !below.matches(".example.com") && !below.matches("badexample.com"));
        assert_eq!((one.to_string(), below.to_string()), ("example.com".to_owned(), "*.example.com".to_owned()));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "*.*.com",
            "a*.com",
            "https://a.com",
            "a.com:80",
            "a.com/x",
            "me@a.com",
            "A.com",
            "bücher.de",
            "a..com",
            ".com",
            "com.",
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "*.0.1",
            "[::1]",
            "a b.com",
        ] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_reserved_names_belong_to_nobody() {
        let reserved = |text| HostPattern::parse(text).unwrap().is_reserved();
        assert!(reserved("*.test") && reserved("test") && reserved("a.example") && reserved("*.a.invalid"));
        assert!(!reserved("example.com") && !reserved("*.testing") && !reserved("test.com"));
    }
}
