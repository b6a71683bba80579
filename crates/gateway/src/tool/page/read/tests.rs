use std::fs;

use super::*;

fn read(markup: &str) -> Page {
    html(markup, &Url::parse("https://acme.example/about/team").unwrap())
}

#[test]
fn the_text_is_what_a_person_sees() {
    let page = read(
        "<!doctype html><html lang=en><head><title> Acme\n &amp; Co </title><style>p{}</style></head><body>\
         <nav><a href=/>Home</a> <a href=/about>About</a></nav>\
         <h1>We   build\n bridges</h1><p>Founded in <b>19</b>98, we are&nbsp;<em>42</em> peo\u{ad}ple.<br>Call&#x200b; us!</p>\
         <ul><li>One<li>Two</ul><table><tr><td>a<td>b<tr><th>c</th><th>d</th></table>\
         <script>var x = 'no';</script><noscript>no</noscript><template><p>no</p></template>\
         <div hidden>no</div><div style='color:red; Display : NONE'>no</div><p style=visibility:hidden>no</p>\
         <svg><text>no</text></svg><dialog>no</dialog><dialog open>yes</dialog><!-- no --><details><summary>S</summary>D</details>",
    );
    assert_eq!(
        page.text,
        "Home About\nWe build bridges\nFounded in 1998, we are 42 people.\nCall us!\nOne\nTwo\na b\nc d\nyes\nS\nD"
    );
    assert_eq!((page.title.as_str(), page.lang.as_str()), ("Acme & Co", "en"));
    assert!(page.text.contains("Founded in 1998, we are 42 people."), "a quote is found as it is read");
    assert!(!page.truncated);
}

#[test]
fn links_are_absolute_and_each_address_stands_once() {
    let page = read(
        "<head><base href=/x/><link rel='alternate feed' title=News href=/feed.xml><link rel=stylesheet href=/a.css></head>\
         <a href='y'><img src=i></a><a href=../x/y>Why <b>not</b></a><a href=#top>Top</a><a href='/about/team#us'>Us</a>\
         <a rel='NoFollow  ugc' href='https://other.example/#a'>Other</a><a href='mailto:a@acme.example'>Mail</a>\
         <a href='javascript:x()'>no</a><a href='data:text/html,x'>no</a><a href='http://[bad'>no</a><a>no</a>\
         <div hidden><a href=/trap>no</a></div><map><area href=/map alt=Map></map>",
    );
    let links: Vec<_> = page.links.iter().map(|one| format!("{} [{}] {}", one.url, one.text, one.rel)).collect();
    assert_eq!(
        links,
        [
            "https://acme.example/feed.xml [News] alternate feed",
            "https://acme.example/x/y [Why not] ",
            "https://other.example/ [Other] nofollow ugc",
            "mailto:a@acme.example [Mail] ",
            "https://acme.example/map [Map] ",
        ]
    );
}

#[test]
fn what_stands_in_the_head() {
    let page = read(
        "<meta name=Description content=' Bridges,\n since 1998 '><meta name=generator content='Site 1.2'>\
         <meta http-equiv=Refresh content=\"5; URL='../moved'\"><meta http-equiv=content-language content=de>\
         <meta property=og:title content=Acme><meta property=og:image content=/1.png><meta property=og:image content=/2.png>\
         <meta name=twitter:card content=summary><meta property=nothing content=x>",
    );
    assert_eq!((page.description.as_str(), page.generator.as_str()), ("Bridges, since 1998", "Site 1.2"));
    assert_eq!((page.refresh.as_str(), page.lang.as_str()), ("https://acme.example/moved", "de"));
    let open: Vec<_> = page.open_graph.iter().map(|(name, text)| format!("{name}={text}")).collect();
    assert_eq!(open, ["og:image=/1.png", "og:title=Acme", "twitter:card=summary"]);
    let base = Url::parse("https://a.example/").unwrap();
    let refresh = |content: &str| refreshed(content, &base);
    assert_eq!(refresh("0;url=/b").as_deref(), Some("https://a.example/b"));
    assert_eq!(refresh("3 , /c").as_deref(), Some("https://a.example/c"));
    for none in ["5", "", "0; url=javascript:x()", "0;url=", "0; url", "é"] {
        assert!(refresh(none).is_none_or(|url| url.starts_with("https://a.example/")), "{none}");
    }
    assert_eq!((refresh("5"), refresh("0; url=javascript:x()")), (None, None));
}

#[test]
fn structured_data_is_read_or_left_out() {
    let page = read(
        "<script type='application/ld+json'>{\"@type\":\"A\",\"n\":9007199254740993}</script>\
         <script type='Application/LD+JSON; charset=utf-8'>[{\"@type\":\"B\"},null,3]</script>\
         <script type='application/ld+json'><!-- {\"@type\":\"C\",\n\"t\":\"two\nlines\"}; --></script>\
         <script type='application/ld+json'>{broken</script><script type='application/json'>{\"@type\":\"no\"}</script>",
    );
    let items = Value::list(page.json_ld).to_json();
    assert_eq!(items, r#"[{"@type":"A","n":"9007199254740993"},{"@type":"B"},{"@type":"C","t":"two lines"}]"#);
    let deep = format!("<script type=application/ld+json>{}1{}</script>", "{\"a\":".repeat(40), "}".repeat(40));
    assert_eq!(read(&deep).json_ld, [], "deeper than a journal holds");
}

#[test]
fn structured_data_of_an_independent_suite() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/extruct");
    let file = |name: &str| fs::read_to_string(format!("{folder}/{name}")).unwrap();
    for name in ["null_ld_mock", "CreativeWork.001"] {
        let expected: serde_json::Value = serde_json::from_str(&file(&format!("{name}.jsonld"))).unwrap();
        let found = Value::list(read(&file(&format!("{name}.html"))).json_ld).to_serde();
        assert_eq!(found, expected, "{name}");
    }
    let expected: serde_json::Value = serde_json::from_str(&file("opengraph_test.json")).unwrap();
    let found = read(&file("opengraph_test.html")).open_graph;
    let properties = expected[0]["properties"].as_array().unwrap();
    assert!(properties.len() >= 10);
    for pair in properties {
        let (name, text) = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        assert_eq!(found.get(name).map(String::as_str), Some(text), "{name}");
    }
}

#[test]
fn a_page_that_was_built_to_explode_is_cut() {
    let bold: String = (0..390).map(|n| format!("<b id={n}>")).collect();
    for (name, markup) in [
        ("deep", "<div>".repeat(400_000)),
        ("formatting", format!("{bold}{}", "<p>x".repeat(200_000))),
        ("many", "<i></i>".repeat(250_000)),
        ("tables", "<table><tr><td>".repeat(50_000)),
        ("attributes", format!("<a {}", (0..300_000).map(|n| format!("{n:x} ")).collect::<String>())),
        ("templates", "<template>".repeat(100_000)),
        ("foster", format!("<table>{}", "<a>x".repeat(150_000))),
    ] {
        let page = read(&markup);
        assert!(page.truncated, "{name}");
    }
}

#[test]
fn anything_is_a_page() {
    for markup in [
        "",
        "<",
        "<!",
        "</",
        "<a",
        "<a href",
        "<a href=",
        "<!--",
        "<![CDATA[",
        "<svg><![CDATA[x",
        "<template><template>",
        "\0",
        "<math><mi>",
        "<table><a><b></table>",
        "<select><table>",
        "<b><p></b></p>",
        "<frameset>",
        "<html><html lang=x>",
        "<plaintext>",
        "<title>",
        "<a><table><a>",
        "<p><b><div><i></b></i>",
        "<svg><foreignObject><p>",
        "é",
    ] {
        read(markup);
    }
    // Every cut of a page with most kinds of markup.
    let markup = "<!doctype html><title>é</title><table><tr><td><a href=x>y<b>z</table><template>t</template><svg><p>q<select><option>o";
    for cut in (0..markup.len()).filter(|cut| markup.is_char_boundary(*cut)) {
        read(&markup[..cut]);
    }
}
