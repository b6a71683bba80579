use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(text: &str, expected: Expect) {
    let file: Arc<str> = "f.yaml".into();
    let once = format(&file, text).unwrap_or_else(|complaint| complaint.render(Some(text)));
    expected.assert_eq(&once);
    if let Ok(twice) = format(&file, &once) {
        assert_eq!(once, twice);
    }
}

#[test]
fn levels_are_two_spaces_and_items_stand_under_their_key() {
    check(
        "workflow:   mail   \n\n\n\nstages:\n-   stage: one\n    steps:\n        - step:   a\n          set:    '=1'\n\n\n        - step: b\n          with:\n              x:    1\n-\n  stage: two\n- - nested\n  -   list\n",
        expect![[r#"
            workflow: mail

            stages:
              - stage: one
                steps:
                  - step: a
                    set: '=1'

                  - step: b
                    with:
                      x: 1
              - stage: two
              - - nested
                - list
        "#]],
    );
}

#[test]
fn flow_is_spaced_and_keeps_its_lines() {
    check(
        "a: {b: c,d:   [1,2 , 3],\"e\":f}\ng: []\nh: { }\ni: [\n   one, # first\n      {two: 2},\n  ]\nj: [a b,  'c, d' , e#f, http://x:80/y ]\nk: {a: , b}\n",
        expect![[r#"
            a: { b: c, d: [ 1, 2, 3 ], "e": f }
            g: []
            h: {}
            i: [
              one,  # first
              { two: 2 }
            ]
            j: [ a b, 'c, d', e#f, http://x:80/y ]
            k: { a:, b }
        "#]],
    );
}

#[test]
fn comments_stay_with_what_they_are_about() {
    check(
        "# yaml-language-server: $schema=x\n\n\n# about a\na:    # why\n     # about b\n     b: 1 # one\n     # at the end of a\n\n# about c\n\nc:\n # first\n - 1   # x\n # second\n - 2\n   \n - # dash\n   d: 1\n# the end\n",
        expect![[r#"
            # yaml-language-server: $schema=x

            # about a
            a:  # why
              # about b
              b: 1  # one
              # at the end of a

            # about c

            c:
              # first
              - 1  # x
              # second
              - 2

              # dash
              - d: 1
            # the end
        "#]],
    );
}

#[test]
fn blocks_are_kept_as_they_are() {
    check(
        "a: |\n      one\n        two  \n\n      # not a comment\n      three\n\n\nb:   >-   # folded\n   x\n\n   y\nc:\n   - |+\n     kept\n\n   - z\nd: |\n  last",
        expect![[r#"
            a: |
              one
                two  

              # not a comment
              three

            b: >-  # folded
              x

              y
            c:
              - |+
                kept

              - z
            d: |
              last
        "#]],
    );
}

#[test]
fn texts_over_several_lines_hang_by_two() {
    check(
        "a: plain\n      goes on\n      here\nb: \"quoted\n   goes on\"\nc:\n   on the next line\n",
        expect![[r#"
        a: plain
          goes on
          here
        b: "quoted
          goes on"
        c: on the next line
    "#]],
    );
}

#[test]
fn what_cannot_be_kept_comes_back_as_it_was() {
    let file: Arc<str> = "f.yaml".into();
    for text in ["a: |2\n    x\n", "a: # why\n  b\n"] {
        assert_eq!(format(&file, text).unwrap(), text);
    }
    assert!(format(&file, "a: &x 1").is_err());
}

#[test]
fn small_files() {
    for (text, wanted) in [
        ("a", "a\n"),
        ("a: 1", "a: 1\n"),
        ("- a", "- a\n"),
        ("{a: 1}", "{ a: 1 }\n"),
        ("---\na: 1\n", "a: 1\n"),
        ("a:\r\n   - 1\r\n", "a:\n  - 1\n"),
        ("'x'", "'x'\n"),
        ("-\n-\n", "-\n-\n"),
        ("a:\nb:\n", "a:\nb:\n"),
        ("? a\n: 1\n", "a: 1\n"),
    ] {
        assert_eq!(format(&"f".into(), text).unwrap(), wanted, "{text:?}");
    }
}

/// Files as people write them: any indentation, comments and blank lines anywhere.
fn value(depth: u32) -> BoxedStrategy<Vec<String>> {
    let scalar = prop::sample::select(vec![
        "1",
        "x",
        "a b",
        "\"q: r\"",
        "'it''s # no'",
        "=input.a",
        "[a,b ,  {c: d}]",
        "{x:  y,z: [ ]}",
        "",
        "null",
        "http://x/#y",
        "\"a\\\"b\"",
        "|\n  line\n    more\n\n  end",
        ">-\n  fold\n  ed",
        "|-\n  # no comment\n  x",
    ])
    .prop_map(|text| text.split('\n').map(str::to_owned).collect::<Vec<_>>());
    if depth == 0 {
        return scalar.boxed();
    }
    let entries = prop::collection::vec((value(depth - 1), 1..4_usize, any::<u8>()), 1..4);
    prop_oneof![
        2 => scalar,
        2 => entries.clone().prop_map(|entries| {
            let mut out = vec!["\u{1}".to_owned()];
            for (at, (value, indent, noise)) in entries.into_iter().enumerate() {
                before(&mut out, noise);
                attach(&mut out, &format!("k{at}:"), value, indent, noise);
            }
            out
        }),
        2 => entries.prop_map(|entries| {
            let mut out = vec!["\u{1}".to_owned()];
            for (value, indent, noise) in entries {
                before(&mut out, noise);
                attach(&mut out, "-", value, indent, noise);
            }
            out
        }),
    ]
    .boxed()
}

fn before(out: &mut Vec<String>, noise: u8) {
    if noise & 1 == 1 {
        out.push(String::new());
    }
    if noise & 6 == 6 {
        out.push(format!("# note {noise}"));
    }
    if noise & 24 == 24 {
        out.push("  ".to_owned());
        out.push(String::new());
    }
}

/// `begun` and a value: on the same line, or below and further in.
fn attach(out: &mut Vec<String>, begun: &str, value: Vec<String>, indent: usize, noise: u8) {
    let pad = " ".repeat(indent);
    if value[0] == "\u{1}" {
        let comment = if noise & 96 == 96 { "   # why" } else { "" };
        if begun == "-"
            && noise & 128 == 128
            && value.len() > 1
            && !value[1].trim().is_empty()
            && !value[1].starts_with('#')
        {
            out.push(format!("-{pad}{}", value[1]));
            out.extend(
                value[2..].iter().map(|line| if line.is_empty() { String::new() } else { format!(" {pad}{line}") }),
            );
            return;
        }
        out.push(format!("{begun}{comment}"));
        out.extend(value[1..].iter().map(|line| if line.is_empty() { String::new() } else { format!("{pad}{line}") }));
        return;
    }
    let single = value.len() == 1 && !value[0].is_empty() && noise & 64 == 64;
    out.push(format!("{begun} {pad}{}{}", value[0], if single { " # end  " } else { "" }));
    out.extend(value[1..].iter().map(|line| if line.is_empty() { String::new() } else { format!("{pad}{line}") }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn formatting_twice_changes_nothing_and_the_file_says_the_same(lines in value(3)) {
        let lines: Vec<String> = lines.into_iter().filter(|line| line != "\u{1}").collect();
        let text = lines.join("\n") + "\n";
        let file: Arc<str> = "f.yaml".into();
        let Ok(before) = yaml::parse(&file, &text) else { return Ok(()) };
        let once = format(&file, &text).unwrap();
        prop_assert_eq!(&yaml::parse(&file, &once).unwrap(), &before);
        prop_assert_eq!(&format(&file, &once).unwrap(), &once);
        // It was formatted, and not given back as it was.
        let written = write(&text);
        prop_assert_eq!(written.as_deref(), Some(&*once), "{}", text);
        for line in once.lines() {
            prop_assert_eq!(line.trim_end(), line);
        }
    }
}
