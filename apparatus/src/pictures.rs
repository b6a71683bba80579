//! Pictures of every page, for people to look at: on a desktop, on a phone, in the dark.

use std::{fmt::Write as _, fs, path::PathBuf};

use crate::{
    browser::{Browser, EYES},
    tour::{House, open},
    victim::Trouble,
};

/// `apparatus pictures`
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Where the pictures go; those that are there are written over.
    #[arg(long, value_name = "FOLDER", default_value = "docs/screens")]
    out: PathBuf,
}

/// Takes them all, and writes a page that shows them.
///
/// # Errors
/// There is no browser, an application does not start, or a file cannot be written.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    fs::create_dir_all(&arguments.out)?;
    let mut list = String::from(
        "# Screens\n\nEvery page, as `cargo run -p apparatus -- pictures` shows them with both demonstrations and a project with everything that can\nneed a person. Left on a desktop, then on a phone, then in the dark.\n",
    );
    for house in House::ALL {
        let mut standing = open(house).await?;
        let browser = Browser::open(EYES[0]).await?;
        standing.enter(&browser).await?;
        write!(list, "\n## {}\n", house.name())?;
        for place in &standing.places {
            write!(list, "\n### {}\n\n", place.name)?;
            for eyes in EYES {
                browser.look_with(eyes).await?;
                browser.driver.goto(format!("{}{}", standing.served.base, place.path)).await?;
                let file = format!("{}-{}-{}.webp", house.name(), place.name, eyes.name);
                fs::write(arguments.out.join(&file), browser.picture().await?)?;
                let width = if eyes.width < 500 { 140 } else { 380 };
                writeln!(list, "<img src=\"{file}\" alt=\"{}, {}\" width=\"{width}\">", place.name, eyes.name)?;
            }
            tell(&format!("{} {}", house.name(), place.name));
        }
        browser.close().await?;
    }
    fs::write(arguments.out.join("README.md"), list)?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "how far it has come")]
fn tell(what: &str) {
    println!("{what}");
}
