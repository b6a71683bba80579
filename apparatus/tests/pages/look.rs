//! Every page as people meet it who do not see well, or use no mouse: axe-core looks.

use std::{collections::BTreeSet, fs, io::Write as _, path::Path};

use apparatus::{
    browser::{Browser, EYES},
    tour::{House, open},
};

use super::is_there;

/// Asks axe-core, which the page has by then, and waits for its answer.
const ASK: &str = "const done = arguments[arguments.length - 1];
    axe.run().then(found => done(found.violations.map(one => ({
        impact: one.impact, rule: one.id, where: one.nodes.slice(0, 3).map(node => node.html.slice(0, 200)) }))));";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_has_a_serious_fault_of_accessibility() {
    if !is_there() {
        return;
    }
    let Some(folder) = std::env::var_os("SUREFOOT_TEST_WEB") else {
        writeln!(std::io::stderr(), "skipped: SUREFOOT_TEST_WEB names no folder (apparatus/web/install.sh fills one)")
            .unwrap();
        return;
    };
    let axe = fs::read_to_string(Path::new(&folder).join("node_modules/axe-core/axe.min.js")).unwrap();
    let (mut faults, mut seen) = (Vec::new(), BTreeSet::new());
    for house in House::ALL {
        let mut standing = open(house).await.unwrap();
        let browser = Browser::open(EYES[0]).await.unwrap();
        standing.enter(&browser).await.unwrap();
        seen.extend(standing.places.iter().map(|place| place.name));
        for place in &standing.places {
            for eyes in EYES {
                browser.look_with(eyes).await.unwrap();
                browser.driver.goto(format!("{}{}", standing.served.base, place.path)).await.unwrap();
                // What is folded is read as well.
                let unfold = "document.querySelectorAll('details').forEach(one => { one.open = true; });";
                browser.driver.execute(unfold, Vec::new()).await.unwrap();
                browser.driver.execute(&axe, Vec::new()).await.unwrap();
                let found = browser.driver.execute_async(ASK, Vec::new()).await.unwrap();
                for one in found.json().as_array().unwrap() {
                    if matches!(one["impact"].as_str(), Some("serious" | "critical")) {
                        faults.push(format!("{} {} {}: {one}", house.name(), place.name, eyes.name));
                    }
                }
            }
        }
        browser.close().await.unwrap();
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // A page that nobody passes would not be looked at: each has a template of its name.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["../crates/web/templates", "../apps/crm-leads/templates"] {
        for file in fs::read_dir(here.join(folder)).unwrap() {
            let file = file.unwrap().path();
            let name = file.file_stem().unwrap().to_str().unwrap();
            // What stands around pages, the page of a server with several projects, and a question that a form brings.
            if file.is_file() && !["layout", "own", "doors", "orders"].contains(&name) {
                assert!(seen.contains(name), "nobody looks at {}", file.display());
            }
        }
    }
}
