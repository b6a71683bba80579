//! Pages of a demonstration: served by the process, read by a page tool through real sockets, and only in the profile `demo`.

use std::{fs, path::Path};

use surefoot::{Surefoot, Value};

const PROJECT: &str = "\
project: reading
profile: demo
profiles:
  demo: { sites: { \"*.test\": seed/sites }, sites_log: .surefoot/sites.jsonl }
";

const TOOL: &str = "\
tool: web
page: { hosts: [ \"*.test\" ], http: true, user_agent: reader/1 }
operations: { read: { effect: read, timeout: 10s } }
";

const WORKFLOW: &str = "\
workflow: look
input: schemas/input.yaml
result: { value: =said }
stages:
  - stage: only
    steps:
      - step: page
        act: web.read
        with: { url: =input.url }
        on_failure: { tool_error: [ fail ], tool_rejected: [ fail ] }
      - step: said
        set:
          status: =page.status
          title: =page.title
          text: =page.text
          links: =page.links | map(attribute='url')
          allowed: =page.robots.allowed
          last: =page.final_url
";

fn project(file: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("surefoot.yaml", file);
    write("tools/web.yaml", TOOL);
    write("workflows/look.yaml", WORKFLOW);
    write(
        "schemas/input.yaml",
        "type: object\nrequired: [ url ]\nadditionalProperties: false\nproperties: { url: { type: string } }\n",
    );
    write("seed/sites/acme.test/index.html", "<title>Acme</title><h1>Bridges</h1><a href=about>About us</a>");
    write("seed/sites/acme.test/about.html", "<p>Founded in 1998.");
    write("seed/sites/acme.test/robots.txt", "user-agent: *\ndisallow: /private\n");
    write("seed/sites/acme.test/private/plan.html", "<p>secret");
    write(
        "seed/sites/acme.test/_site.yaml",
        "redirects: { /old: /about, /on: \"http://other.test/\", /in: \"http://127.0.0.1/\" }\nstatus: { /down: 503 }\n",
    );
    write("seed/sites/other.test/index.html", "<p>elsewhere");
    folder
}

async fn look(surefoot: &Surefoot, url: &str) -> Result<Value, String> {
    let ended = surefoot.run_to_end("look", Value::map([("url", url.into())])).await.unwrap();
    match ended.failure {
        Some(failure) => Err(failure.detail),
        None => Ok(ended.result.unwrap_or_default()),
    }
}

fn open(folder: &Path) -> Surefoot {
    Surefoot::builder().project(folder).build().unwrap()
}

fn asked(surefoot: &Surefoot) -> Vec<String> {
    let requests = surefoot.sites().expect("the profile has sites").requests();
    requests.iter().map(|one| format!("{} {}{} {}", one.status, one.host, one.path, one.user_agent)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demonstration_reads_its_own_sites_and_nothing_that_they_forbid() {
    let folder = project(PROJECT);
    let surefoot = open(folder.path());
    let home = look(&surefoot, "http://acme.test").await.unwrap();
    assert_eq!(
        home.to_json(),
        r#"{"allowed":true,"last":"http://acme.test/","links":["http://acme.test/about"],"status":200,"text":"Bridges\nAbout us","title":"Acme"}"#
    );
    let old = look(&surefoot, "http://acme.test/old").await.unwrap();
    assert_eq!(old.get("text"), Some(&"Founded in 1998.".into()));
    assert_eq!(old.get("last"), Some(&"http://acme.test/about".into()));
    let on = look(&surefoot, "http://acme.test/on").await.unwrap();
    assert_eq!(on.get("text"), Some(&"elsewhere".into()));
    assert_eq!(look(&surefoot, "http://acme.test/down").await.unwrap().get("status"), Some(&Value::Int(503)));
    assert_eq!(look(&surefoot, "http://nobody.test/").await.unwrap().get("status"), Some(&Value::Int(404)));
    let private = look(&surefoot, "http://acme.test/private/plan.html").await.unwrap();
    assert_eq!((private.get("allowed"), private.get("text")), (Some(&Value::Bool(false)), Some(&"".into())));
    let inside = look(&surefoot, "http://acme.test/in").await.unwrap_err();
    assert!(inside.ends_with("the host `127.0.0.1` is not one that this tool may ask"), "{inside}");
    assert_eq!(
        asked(&surefoot),
        [
            "200 acme.test/robots.txt reader/1",
            "200 acme.test/ reader/1",
            "301 acme.test/old reader/1",
            "200 acme.test/about reader/1",
            "301 acme.test/on reader/1",
            "404 other.test/robots.txt reader/1",
            "200 other.test/ reader/1",
            "503 acme.test/down reader/1",
            "404 nobody.test/robots.txt reader/1",
            "404 nobody.test/ reader/1",
            "301 acme.test/in reader/1",
        ],
        "0 requests to paths that robots.txt forbids"
    );
    let log = fs::read_to_string(folder.path().join(".surefoot/sites.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 11);
    assert_eq!(
        log.lines().next(),
        Some(r#"{"host":"acme.test","path":"/robots.txt","status":200,"user_agent":"reader/1"}"#)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_profile_no_name_leads_to_this_machine() {
    for (file, chosen) in [
        (PROJECT.to_owned(), Some("none")),
        (PROJECT.to_owned(), Some("live")),
        (PROJECT.replace("profile: demo\n", ""), None),
    ] {
        let folder = project(&file.replace("profiles:", "profiles:\n  live: {}"));
        let builder = Surefoot::builder().project(folder.path());
        let surefoot = chosen.into_iter().fold(builder, |builder, name| builder.profile(name)).build().unwrap();
        assert!(surefoot.sites().is_none(), "{chosen:?}");
        let lost = look(&surefoot, "http://acme.test/").await.unwrap_err();
        assert!(lost.starts_with("`web.read` could not connect to http://acme.test: "), "{lost}");
    }
}

#[test]
fn the_environment_may_choose_and_a_wrong_choice_is_named() {
    let folder = project(PROJECT);
    let with = |name: &'static str| {
        let environment = move |variable: &str| (variable == "SUREFOOT_PROFILE").then(|| name.to_owned());
        Surefoot::builder().project(folder.path()).environment(std::sync::Arc::new(environment))
    };
    assert!(with("none").build().unwrap().sites().is_none());
    assert!(with("").build().unwrap().sites().is_some());
    assert!(with("none").profile("demo").build().unwrap().sites().is_some(), "an argument goes before it");
    let wrong = with("dmo").build().err().unwrap().to_string();
    assert_eq!(wrong, "the project has no profile `dmo`: did you mean `demo`?");
    fs::remove_dir_all(folder.path().join("seed")).unwrap();
    let missing = with("demo").build().err().unwrap().to_string();
    assert!(missing.ends_with("seed/sites for its sites, which is no folder"), "{missing}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_site_shows_its_own_files_only() {
    use std::io::{Read as _, Write as _};
    let folder = project(PROJECT);
    let outside = folder.path().join("outside.html");
    fs::write(&outside, "outside").unwrap();
    std::os::unix::fs::symlink(&outside, folder.path().join("seed/sites/acme.test/link.html")).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("seed/sites/up.test")).unwrap();
    let surefoot = open(folder.path());
    let address = surefoot.sites().unwrap().address();
    let raw = |host: &str, path: &str| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(raw("acme.test", "/").starts_with("HTTP/1.1 200"));
    for (host, path) in [
        ("acme.test", "/link.html"),
        ("up.test", "/outside.html"),
        ("acme.test", "/../../../outside.html"),
        ("acme.test", "/%2e%2e/%2e%2e/%2e%2e/outside.html"),
        ("acme.test", "/_site.yaml"),
        ("../../x.test", "/outside.html"),
        ("127.0.0.1", "/"),
        ("acme.example", "/"),
    ] {
        let answer = raw(host, path);
        assert!(answer.starts_with("HTTP/1.1 4") && !answer.contains("outside"), "{host}{path}: {answer}");
    }
}
