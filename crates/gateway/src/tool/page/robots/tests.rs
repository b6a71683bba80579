use std::fs;

use super::*;

fn verdict(robots: &str, path: &str) -> (bool, String) {
    let verdict = Rules::parse(robots.as_bytes(), "surefoot").verdict(path);
    (verdict.allowed, verdict.rule)
}

fn allowed(robots: &str, path: &str) -> bool {
    verdict(robots, path).0
}

#[test]
fn the_longest_rule_counts_and_of_two_as_long_the_one_that_allows() {
    let robots = "User-agent: *\nDisallow: /a\nAllow: /a/b\nDisallow: /a/b/c\n\nDisallow: /same\nAllow: /same\n";
    assert_eq!(verdict(robots, "/a"), (false, "disallow: /a".to_owned()));
    assert_eq!(verdict(robots, "/a/b/x"), (true, "allow: /a/b".to_owned()));
    assert_eq!(verdict(robots, "/a/b/cd"), (false, "disallow: /a/b/c".to_owned()));
    assert_eq!(verdict(robots, "/same"), (true, "allow: /same".to_owned()));
    assert_eq!(verdict(robots, "/elsewhere"), (true, String::new()));
}

#[test]
fn our_own_groups_count_together_and_instead_of_those_for_all() {
    let robots = "user-agent: *\ndisallow: /\n\nUser-Agent: Other\nUSER-AGENT: SureFoot/2.0\ndisallow: /one\n\n\
                  user-agent: surefoot\ncrawl-delay: 5\nsitemap: /x\ndisallow: /two # why\n";
    assert!(!allowed(robots, "/one") && !allowed(robots, "/two") && allowed(robots, "/three"));
    assert!(!allowed("user-agent: *\ndisallow: /\n", "/x"));
    assert!(allowed("user-agent: surefootbot\ndisallow: /\n", "/x"), "another product");
    assert!(allowed("user-agent: surefoot\n\nuser-agent: *\ndisallow:\n", "/x"));
    assert!(allowed("user-agent: *\ndisallow: /\nuser-agent: surefoot\ndisallow:\n", "/x"), "an empty rule of ours");
}

#[test]
fn wildcards_and_ends() {
    let one = |pattern: &str, path: &str| !allowed(&format!("user-agent: *\ndisallow: {pattern}"), path);
    for (pattern, fitting, other) in [
        ("/fish", "/fish.html", "/Fish"),
        ("/fish*", "/fishheads/yummy.html", "/catfish"),
        ("/fish/", "/fish/salmon.htm", "/fish"),
        ("/*.php", "/folder/any.php.file", "/windows.PHP"),
        ("/*.php$", "/filename.php", "/filename.php?parameters"),
        ("/fish*.php", "/fishheads/catfish.php?x", "/Fish.PHP"),
        ("/$", "/", "/index.html"),
        ("/*$", "/any", "any"),
        ("/a*b*c$", "/abcbc", "/abcb"),
        ("/a*a$", "/aba", "/a"),
        ("/**x", "/yx", "/y"),
    ] {
        assert!(one(pattern, fitting), "{pattern} {fitting}");
        assert!(!one(pattern, other), "{pattern} {other}");
    }
}

#[test]
fn paths_are_compared_as_they_are_meant() {
    let one = |pattern: &str, path: &str| !allowed(&format!("user-agent: *\ndisallow: {pattern}"), path);
    assert!(one("/foo/bar?baz=quz", "/foo/bar?baz=quz"));
    assert!(one("/foo/bar/ツ", "/foo/bar/%E3%83%84") && one("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84"));
    assert!(one("/foo/bar/%62%61%7A", "/foo/bar/baz") && one("/~me", "/%7Eme"));
    assert!(one("/a%2Fb", "/a%2fb") && !one("/a%2Fb", "/a/b"));
    assert!(one("/a%2A", "/a*") && !one("/a%2Ab", "/axb") && one("/a%24", "/a$"));
    assert!(one("/%", "/%25x") == allowed("", "/"), "a broken escape is a percent sign");
}

#[test]
fn what_is_no_robots_txt_forbids_nothing() {
    for text in
        ["", "<html><body>404</body></html>", "disallow: /", ":::", "user-agent\n*\ndisallow /", "\0\u{ff}\r\r\n"]
    {
        assert!(allowed(text, "/x"), "{text}");
    }
    assert!(!allowed("user agent: *\ndissallow: /", "/x"), "common slips");
    assert!(!allowed("\u{feff}user-agent: *\rdisallow: /\r", "/x"), "a mark at the beginning, old line ends");
    assert!(allowed("user-agent: *\ndisallow: /", "/robots.txt"));
    let long = format!("user-agent: *\ndisallow: /{}b\n", "a*".repeat(50_000));
    assert!(allowed(&long, &format!("/{}", "a".repeat(4000))));
}

/// Real files of 120 sites, against an independent reader: for every path that a file names, and some around it.
#[test]
#[expect(clippy::print_stdout, reason = "the figures of this test")]
fn real_files_mean_what_another_reader_finds_in_them() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/robots");
    let (mut files, mut asked, mut different) = (0, 0, Vec::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("LICENSE") {
            continue;
        }
        let (bytes, name) = (fs::read(&path).unwrap(), path);
        files += 1;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut paths: Vec<String> = vec!["/".into(), "/index.html".into(), "/a/b/c?d=e".into()];
        for line in text.lines() {
            let Some((_, value)) = line.split('#').next().unwrap_or_default().split_once(':') else { continue };
            let value = value.trim().replace('*', "xyz").replace('$', "");
            if value.starts_with('/') {
                paths.extend([value.clone(), format!("{value}more")]);
            }
        }
        for token in ["surefoot", "googlebot"] {
            let ours = Rules::parse(&bytes, token);
            let Ok(other) = texting_robots::Robot::new(token, &bytes) else { continue };
            for path in &paths {
                let Ok(url) = url::Url::parse(&format!("https://a.example{path}")) else { continue };
                let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
                asked += 1;
                if ours.verdict(path).allowed != other.allowed(url.as_str()) {
                    different.push(format!("{} {token} {path}", name.display()));
                }
            }
        }
    }
    println!("{files} files, {asked} questions, {} answers differ", different.len());
    assert!(files >= 120 && asked > 5000, "{files} files, {asked} questions");
    assert!(different.is_empty(), "{} of {asked}:\n{}", different.len(), different.join("\n"));
}
