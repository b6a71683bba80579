//! Every house rule holds in this repository.

use xtask::{house::House, tidy::RULES};

#[test]
fn every_rule_of_the_house_holds() {
    let house = House::here().expect("the workspace can be read");
    assert!(house.crates.len() > 100 && house.tree.has("crates/kernel/src/lib.rs"), "the house was read");
    let mut broken = String::new();
    for rule in RULES {
        for finding in (rule.check)(&house).findings {
            broken.push_str(&format!("{finding}\n    rule {}: {}\n", rule.name, rule.holds));
        }
    }
    assert!(broken.is_empty(), "\n{broken}");
}
