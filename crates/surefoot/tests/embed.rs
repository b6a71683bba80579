//! The example of embedding runs, and the page shows it as it is.

#[path = "../examples/embed.rs"]
mod example;

#[test]
fn the_example_runs() {
    example::main().unwrap();
}

#[test]
fn the_page_shows_the_example() {
    let page = include_str!("../../../docs/embedding.md");
    assert!(page.contains(include_str!("../examples/embed.rs")), "docs/embedding.md shows another program");
}
