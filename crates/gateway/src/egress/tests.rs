use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use kernel::{
    tool::host::HostPattern,
    workflow::project::{self, Sources},
};
use reqwest::dns::{Addrs, Name, Resolving};
use tokio::net::TcpListener;

use super::*;
use crate::egress::address::Range;

/// What the client's connector was given, watched.
pub(crate) struct Handed {
    addresses: Mutex<Vec<SocketAddr>>,
}

pub(super) struct Watched {
    checked: Checked,
    handed: Arc<Handed>,
}

impl Handed {
    pub(super) fn watch(checked: Checked) -> (Watched, Arc<Handed>) {
        let handed = Arc::new(Handed { addresses: Mutex::default() });
        (Watched { checked, handed: handed.clone() }, handed)
    }

    /// A host that is an address goes to the connector without a resolver.
    pub(super) fn literal(&self, admitted: &Admitted) {
        let ip = match admitted.url().host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            _ => return,
        };
        self.addresses.lock().unwrap().push(SocketAddr::new(ip, 0));
    }

    fn denied(&self) -> usize {
        let all = self.addresses.lock().unwrap();
        all.iter().filter(|address| address::denied(address.ip(), &[]).is_some()).count()
    }
}

impl reqwest::dns::Resolve for Watched {
    fn resolve(&self, name: Name) -> Resolving {
        let (answer, handed) = (self.checked.resolve(name), self.handed.clone());
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = answer.await?.collect();
            handed.addresses.lock().unwrap().extend(&addresses);
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Answers from a table; of several answers for a name each is given once, and the last for ever.
#[derive(Default)]
pub(crate) struct Table {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    pub(crate) asked: AtomicUsize,
}

impl Table {
    pub(crate) fn new(answers: &[(&str, &[&[&str]])]) -> Arc<Table> {
        let parse = |one: &&[&str]| one.iter().map(|ip| ip.parse().unwrap()).collect();
        let answers = answers.iter().map(|(name, all)| ((*name).to_owned(), all.iter().map(parse).collect()));
        Arc::new(Table { answers: Mutex::new(answers.collect()), asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Resolve for Table {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.answers.lock().unwrap();
        let known = answers.get_mut(host).ok_or_else(|| io::Error::other(format!("no such name: {host}")))?;
        Ok(if known.len() > 1 { known.remove(0) } else { known[0].clone() })
    }
}

/// Hosts `*.test` at a server of this machine: made the only way there is, from a project.
pub(crate) fn demo(address: SocketAddr) -> Arc<DemoHosts> {
    let files = [
        ("surefoot.yaml", "project: x\nprofile: demo\nprofiles: { demo: { sites: { '*.test': seed/sites } } }\n"),
        ("workflows/w.yaml", "workflow: w\nstages: [{ stage: s, steps: [{ step: a, set: 1 }] }]\n"),
    ];
    let project = project::check(&files.into_iter().collect::<Sources>()).project.unwrap();
    let profile = project.file.profiles.choose(None).unwrap().unwrap();
    Arc::new(DemoHosts::new(profile.sites.as_ref().unwrap(), address).unwrap())
}

fn rules(ports: &[u16]) -> Rules {
    Rules { hosts: Hosts::Any, http: true, ports: ports.to_vec(), own: Vec::new() }
}

fn guard(rules: Rules, resolver: Arc<Table>, demo: Option<Arc<DemoHosts>>) -> Guard {
    Guard::new(rules, "surefoot-test/1", resolver, demo).unwrap()
}

/// Counts every connection to a port of this machine, on all its addresses.
struct Counter {
    port: u16,
    count: Arc<AtomicUsize>,
}

impl Counter {
    async fn listen() -> Counter {
        let count = Arc::new(AtomicUsize::new(0));
        let v4 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        let port = v4.local_addr().unwrap().port();
        let mut listeners = vec![v4];
        // A machine without IPv6 has nothing to listen on there.
        listeners.extend(TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.ok());
        for listener in listeners {
            let count = count.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    count.fetch_add(1, Ordering::SeqCst);
                    drop(stream);
                }
            });
        }
        Counter { port, count }
    }

    fn so_far(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// Names that the world could make point here.
const NAMES: [(&str, &[&[&str]]); 20] = [
    ("localhost", &[&["127.0.0.1", "::1"]]),
    ("localhost.", &[&["127.0.0.1"]]),
    ("loop.evil", &[&["127.0.0.1"]]),
    ("loop.evil.", &[&["127.0.0.1"]]),
    ("loop6.evil", &[&["::1"]]),
    ("xn--bcher-kva.evil", &[&["127.0.0.1"]]),
    ("private.evil", &[&["10.0.0.1"]]),
    ("metadata.google.internal", &[&["169.254.169.254"]]),
    ("mapped.evil", &[&["::ffff:127.0.0.1"]]),
    ("nat64.evil", &[&["64:ff9b::7f00:1"]]),
    ("sixtofour.evil", &[&["2002:7f00:1::"]]),
    ("teredo.evil", &[&["2001:0:102:304::80ff:fffe"]]),
    ("mixed.evil", &[&["93.184.216.34", "127.0.0.1"]]),
    ("mixed6.evil", &[&["2606:4700::1111", "::1"]]),
    ("lastbad.evil", &[&["1.1.1.1", "8.8.8.8", "9.9.9.9", "10.1.2.3"]]),
    ("rebind.evil", &[&["127.0.0.1"], &["93.184.216.34"], &["127.0.0.1"]]),
    ("zero.evil", &[&["0.0.0.0"]]),
    ("ula.evil", &[&["fd00:ec2::254"]]),
    ("nobody.evil", &[&[]]),
    ("printer", &[&["192.168.1.9"]]),
];

/// Ways to name what may not be asked. `PORT` is that of the counting listener.
const FORMS: &[&str] = &[
    // This machine, as IPv4 in every notation.
    "http://127.0.0.1:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7f.1:PORT/",
    "http://0x7f.0x0.0x0.0x1:PORT/",
    "http://0X7F.0.0.1:PORT/",
    "http://017700000001:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0177.0.0.01:PORT/",
    "http://00000177.00.0.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.127.127.127:PORT/",
    "http://127.255.255.254:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0x0:PORT/",
    "http://00:PORT/",
    "http://0.1:PORT/",
    // Digits, dots and letters that are turned into ASCII.
    "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1:PORT/",
    "http://\u{ff11}\u{ff12}\u{ff17}\u{3002}\u{ff10}\u{3002}\u{ff10}\u{3002}\u{ff11}:PORT/",
    "http://127\u{ff0e}0\u{ff0e}0\u{ff0e}1:PORT/",
    "http://127\u{ff61}0\u{ff61}0\u{ff61}1:PORT/",
    "http://\u{2460}\u{2461}\u{2466}.0.0.1:PORT/",
    "http://\u{1d7d9}\u{1d7da}\u{1d7df}.0.0.1:PORT/",
    "http://\u{24db}\u{24de}\u{24d2}\u{24d0}\u{24db}\u{24d7}\u{24de}\u{24e2}\u{24e3}:PORT/",
    "http://loc\u{ad}alhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://b\u{fc}cher.evil:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127.0.0.%31:PORT/",
    "http://%6c%6f%63%61%6c%68%6f%73%74:PORT/",
    // This machine, as IPv6.
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:PORT/",
    "http://[::]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[0:0:0:0:0:ffff:7f00:0001]:PORT/",
    "http://[::ffff:0:0]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::7f00:1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[64:ff9b:1::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2002:7f00:0001::1]:PORT/",
    "http://[2001:0:102:304::80ff:fffe]:PORT/",
    "http://[2001:0:7f00:1::fefe:fefe]:PORT/",
    "http://[2001::1]:PORT/",
    // This machine, by a name.
    "http://localhost:PORT/",
    "http://localhost.:PORT/",
    "http://loop.evil:PORT/",
    "http://loop.evil.:PORT/",
    "http://loop6.evil:PORT/",
    "http://mapped.evil:PORT/",
    "http://nat64.evil:PORT/",
    "http://sixtofour.evil:PORT/",
    "http://teredo.evil:PORT/",
    "http://mixed.evil:PORT/",
    "http://mixed6.evil:PORT/",
    "http://lastbad.evil:PORT/",
    "http://rebind.evil:PORT/",
    "http://zero.evil:PORT/",
    "http://nobody.evil:PORT/",
    "http://unknown.evil:PORT/",
    // Parsers disagree about these.
    "http:127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT\\",
    "http:/\\127.0.0.1:PORT/",
    " http://127.0.0.1:PORT/ ",
    "ht\ntp://127.0.0.1:PORT/",
    "http://127.0.0\t.1:PORT/",
    "http://127.0.0.1:PORT#@example.com/",
    "http://127.0.0.1:PORT?@example.com/",
    "http://127.0.0.1:PORT\\@example.com/",
    "http://example.com@127.0.0.1:PORT/",
    "http://example.com:80@127.0.0.1:PORT/",
    "http://example.com%40127.0.0.1:PORT/",
    "http://user:password@loop.evil:PORT/",
    "http://@127.0.0.1:PORT/",
    "http://:@127.0.0.1:PORT/",
    "http://a@b@127.0.0.1:PORT/",
    "http://example.com\\@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT:80/",
    "http://127.0.0.1:0PORT/",
    "http://[::1%25lo]:PORT/",
    "http://[::1]evil:PORT/",
    "http://127.0.0.1%00.example.com:PORT/",
    "http://0x7f.0.0.1.:PORT/",
    // Neighbours, clouds, everything that is nobody's in public.
    "http://169.254.169.254:PORT/latest/meta-data/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[fd00:ec2::254]/",
    "http://ula.evil/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://168.63.129.16/",
    "http://10.0.0.1/",
    "http://10.1/",
    "http://172.16.0.1/",
    "http://172.31.255.254/",
    "http://192.168.0.1/",
    "http://192.168.257/",
    "http://private.evil/",
    "http://printer/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    // Other schemes and ports.
    "https://127.0.0.1:PORT/",
    "file:///etc/passwd",
    "ftp://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/_x",
    "ws://127.0.0.1:PORT/",
    "data:text/html,x",
    "javascript:alert(1)",
    "unix:/var/run/docker.sock",
    "//127.0.0.1:PORT/",
    "http://93.184.216.34:22/",
    "http://93.184.216.34:0/",
    "http://93.184.216.34:65536/",
];

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures of this test")]
async fn s5_no_form_of_a_url_reaches_what_may_not_be_asked() {
    let counter = Counter::listen().await;
    let resolver = Table::new(&NAMES);
    let guard = guard(rules(&[80, 443, counter.port]), resolver.clone(), None);
    let (mut early, mut at_connection, mut lost) = (0, 0, 0);
    for form in FORMS {
        let url = form.replace("PORT", &counter.port.to_string());
        let admitted = match guard.admit(&url) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                assert!(!refusal.to_string().is_empty());
                early += 1;
                continue;
            }
        };
        match guard.get(&admitted, HeaderMap::new(), Duration::from_secs(2)).await {
            Err(Unanswered::Refused(_)) => at_connection += 1,
            Err(Unanswered::Lost(error)) => {
                // Names without an address: nothing to connect to.
                assert!(
                    url.contains("nobody.evil") || url.contains("unknown.evil") || url.contains("example.com"),
                    "{url}: {error}"
                );
                lost += 1;
            }
            Ok(response) => panic!("{url} answered {}", response.status()),
        }
    }
    assert!(FORMS.len() >= 120, "{} forms", FORMS.len());
    let (reached, handed) = (counter.so_far(), guard.handed.denied());

    // The same forms through a client that nothing guards: the listener does count.
    let plain =
        reqwest::Client::builder().no_proxy().dns_resolver(Arc::new(Unguarded(resolver.clone()))).build().unwrap();
    for form in FORMS {
        let url = form.replace("PORT", &counter.port.to_string());
        let Ok(parsed) = Url::parse(&url) else { continue };
        let here = match parsed.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
            Some(Host::Ipv6(ip)) => {
                ip.is_loopback() || ip.is_unspecified() || ip.to_ipv4_mapped() == Some(Ipv4Addr::LOCALHOST)
            }
            Some(Host::Domain(name)) => name.contains("local") || name.contains("loop"),
            None => false,
        };
        if here && parsed.port() == Some(counter.port) {
            // It is dropped at once, so there is no answer.
            let _ = plain.get(parsed).timeout(Duration::from_secs(2)).send().await;
        }
    }
    let unguarded = counter.so_far() - reached;
    assert!(unguarded >= 40, "only {unguarded} forms reach the listener without a guard");
    println!(
        "S5: {} forms: {early} refused as they stand, {at_connection} when their name was resolved, {lost} without an address; \
         connections to denied ranges: {reached} (listener), {handed} (connector); without the guard the listener counts {unguarded}",
        FORMS.len()
    );
    assert_eq!((reached, handed), (0, 0));
}

struct Unguarded(Arc<Table>);

impl reqwest::dns::Resolve for Unguarded {
    fn resolve(&self, name: Name) -> Resolving {
        let table = self.0.clone();
        Box::pin(async move {
            let addresses = table.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

#[tokio::test]
async fn an_answer_with_one_bad_address_is_refused_as_a_whole() {
    let resolver = Table::new(&NAMES);
    let addresses = async |host: &str| Checked::addresses(&*resolver, None, &[], host).await;
    for host in ["mixed.evil", "mixed6.evil", "lastbad.evil"] {
        let error = addresses(host).await.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Refusal::Address { .. })), "{host}: {error}");
    }
    assert_eq!(
        addresses("mixed.evil").await.unwrap_err().to_string(),
        "`mixed.evil` is at 127.0.0.1, which is a loopback address"
    );
}

#[tokio::test]
async fn an_answer_that_changes_is_checked_each_time_and_asked_for_once_a_connection() {
    let resolver = Table::new(&NAMES);
    let addresses = async || Checked::addresses(&*resolver, None, &[], "rebind.evil").await;
    assert!(addresses().await.is_err());
    assert_eq!(addresses().await.unwrap(), ["93.184.216.34:0".parse().unwrap()]);
    assert!(addresses().await.is_err());
    let guard = guard(rules(&[]), resolver.clone(), None);
    let before = resolver.asked.load(Ordering::Relaxed);
    let admitted = guard.admit("http://rebind.evil/").unwrap();
    assert_eq!(
        resolver.asked.load(Ordering::Relaxed),
        before,
        "admitting does not resolve: there is nothing to rebind"
    );
    let refused = guard.get(&admitted, HeaderMap::new(), Duration::from_secs(2)).await.unwrap_err();
    assert!(matches!(refused, Unanswered::Refused(Refusal::Address { .. })));
    assert_eq!(resolver.asked.load(Ordering::Relaxed), before + 1);
}

#[test]
fn what_may_be_asked_is_admitted() {
    let guard = guard(rules(&[]), Table::new(&[]), None);
    for (given, url) in [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/a b?c#d", "https://example.com/a%20b?c"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("https://93.184.216.34/", "https://93.184.216.34/"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
    ] {
        assert_eq!(guard.admit(given).unwrap().to_string(), url);
    }
}

#[test]
fn every_refusal_names_the_thing() {
    let listed = Hosts::Listed(vec![HostPattern::parse("*.example.com").unwrap()]);
    let strict = Rules { hosts: listed, http: false, ports: Vec::new(), own: vec!["93.184.216.34".parse().unwrap()] };
    let strict = guard(strict, Table::new(&[]), None);
    let said = |url: &str| strict.admit(url).unwrap_err().to_string();
    assert_eq!(said("/about"), "`/about` is no absolute URL of a host: relative URL without a base");
    assert_eq!(said("http://www.example.com/"), "the scheme `http:` is not allowed: only https:");
    assert_eq!(said("mailto:a@example.com"), "the scheme `mailto:` is not allowed: only https:");
    assert_eq!(
        said("https://me:hunter2@www.example.com/"),
        "the URL holds a user or a password for `www.example.com`: such a URL is never read"
    );
    assert_eq!(said("https://www.example.com:8443/"), "port 8443 of `www.example.com` is not allowed: only 443");
    assert_eq!(said("https://example.com/"), "the host `example.com` is not one that this tool may ask");
    assert_eq!(said("https://1.1.1.1/"), "the host `1.1.1.1` is not one that this tool may ask");
    assert_eq!(
        said(&format!("https://www.example.com/{}", "a".repeat(5000))),
        "the URL has 5024 characters, and 4096 is the most"
    );
    let open = Rules { hosts: Hosts::Any, http: false, ports: Vec::new(), own: vec!["93.184.216.34".parse().unwrap()] };
    let open = guard(open, Table::new(&[]), None);
    assert_eq!(
        open.admit("https://93.184.216.34/").unwrap_err().to_string(),
        "`93.184.216.34` is at 93.184.216.34, which is an address of this machine"
    );
    let from = open.admit("https://example.com/a").unwrap();
    assert_eq!(
        open.redirected(&from, "http://example.com/a").unwrap_err().to_string(),
        "https://example.com/a goes on to http://example.com/a: never from https to http"
    );
    assert_eq!(open.redirected(&from, "../b").unwrap().to_string(), "https://example.com/b");
    assert!(matches!(
        open.redirected(&from, "//[::ffff:10.0.0.1]/").unwrap_err(),
        Refusal::Address { denied: Denied { range: Range::Private, .. }, .. }
    ));
}

#[tokio::test]
async fn a_host_of_a_demonstration_is_asked_at_its_server_and_nowhere_else() {
    let counter = Counter::listen().await;
    let other = Counter::listen().await;
    let hosts = demo(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), counter.port));
    let guard = guard(rules(&[80, other.port]), Table::new(&[("localhost", &[&["127.0.0.1"]])]), Some(hosts));
    // The server of this test closes at once: what counts is where the connection went.
    let admitted = guard.admit("http://acme.test/").unwrap();
    let lost = guard.get(&admitted, HeaderMap::new(), Duration::from_secs(2)).await;
    assert!(matches!(lost, Err(Unanswered::Lost(_))));
    assert!(counter.so_far() >= 1);
    // A port would be that of any server of this machine.
    let url = format!("http://acme.test:{}/", other.port);
    assert!(matches!(guard.admit(&url), Err(Refusal::DemoHost { .. })));
    assert!(matches!(guard.admit("https://acme.test/"), Err(Refusal::DemoHost { .. })));
    assert!(guard.admit(&format!("http://127.0.0.1:{}/", other.port)).is_err());
    assert_eq!(other.so_far(), 0);
    for outside in ["0.0.0.0:80", "93.184.216.34:80", "127.0.0.1:0"] {
        let address: SocketAddr = outside.parse().unwrap();
        assert_eq!(demo_at(address).unwrap_err(), NotLoopback(address), "{outside}");
    }
}

fn demo_at(address: SocketAddr) -> Result<DemoHosts, NotLoopback> {
    let files = [
        ("surefoot.yaml", "project: x\nprofiles: { demo: { sites: { '*.test': seed/sites } } }\n"),
        ("workflows/w.yaml", "workflow: w\nstages: [{ stage: s, steps: [{ step: a, set: 1 }] }]\n"),
    ];
    let project = project::check(&files.into_iter().collect::<Sources>()).project.unwrap();
    assert_eq!(project.file.profiles.choose(None), Ok(None), "a profile counts only if it is chosen");
    let profile = project.file.profiles.choose(Some("demo")).unwrap().unwrap();
    DemoHosts::new(profile.sites.as_ref().unwrap(), address)
}

/// Runs one test of this file in a process whose environment names a proxy, and gives how often that proxy was connected to.
async fn behind_a_proxy(test: &str) -> usize {
    let proxy = Counter::listen().await;
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("egress::tests::{test}"), "--include-ignored"]);
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(variable, &url);
    }
    let output = command.env_remove("NO_PROXY").env_remove("no_proxy").output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{test}: {said}");
    proxy.so_far()
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_proxies_of_the_environment_are_not_used() {
    assert_eq!(behind_a_proxy("s5_no_form_of_a_url_reaches_what_may_not_be_asked").await, 0);
    assert_eq!(behind_a_proxy("a_host_of_a_demonstration_is_asked_at_its_server_and_nowhere_else").await, 0);
    assert!(behind_a_proxy("a_client_of_the_usual_kind_uses_the_proxy").await > 0, "the environment does name a proxy");
}

#[tokio::test]
#[ignore = "runs in a process that has a proxy"]
async fn a_client_of_the_usual_kind_uses_the_proxy() {
    install_crypto();
    // The proxy of this test closes at once: what counts is that it was connected to.
    let _ = reqwest::Client::builder().build().unwrap().get("http://acme.test/").send().await;
}
