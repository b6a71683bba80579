//! A real Chromium on pages that `dev` serves: what a person sees and does, and pictures of it.
//!
//! Debian's `chromium` and `chromium-driver`, through WebDriver. Where they are not there, whoever wants a browser is told so.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;
use thirtyfour::{ChromiumLikeCapabilities as _, DesiredCapabilities, WebDriver, error::WebDriverError};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::applications::copy_project;

/// How long anything may take that a person would wait for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a browser is good for with another size or light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eyes {
    /// As file names have it.
    pub name: &'static str,
    /// The window, in pixels.
    pub width: u32,
    /// The window, in pixels.
    pub height: u32,
    /// Whether the person likes it dark.
    pub dark: bool,
}

/// Those that pictures are taken with.
pub const EYES: [Eyes; 3] = [
    Eyes { name: "desktop", width: 1280, height: 900, dark: false },
    Eyes { name: "phone", width: 390, height: 844, dark: false },
    Eyes { name: "dark", width: 1280, height: 900, dark: true },
];

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// A program cannot be started, or said nothing that was expected.
    #[error("{what}")]
    Start {
        /// Which, and what it said.
        what: String,
        /// Why.
        #[source]
        source: Option<io::Error>,
    },
    /// The browser did not do it.
    #[error("the browser: {0}")]
    Driver(#[from] WebDriverError),
}

/// The programs of a browser, if they are installed.
pub fn installed() -> Option<(PathBuf, PathBuf)> {
    let both = (PathBuf::from("/usr/bin/chromium"), PathBuf::from("/usr/bin/chromedriver"));
    (both.0.exists() && both.1.exists()).then_some(both)
}

/// A browser, and the driver that it hangs on: both end with it.
pub struct Browser {
    /// What drives it.
    pub driver: WebDriver,
    _process: Child,
    _home: tempfile::TempDir,
}

impl Browser {
    /// Opens one.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub async fn open(eyes: Eyes) -> Result<Browser, BrowserError> {
        let failed = |what: &str| BrowserError::Start { what: what.to_owned(), source: None };
        // It brings the cryptography that every client of this process uses, also the driver's.
        crate::http::client().map_err(|why| failed(&why.to_string()))?;
        let (chromium, chromedriver) =
            installed().ok_or_else(|| failed("chromium and chromedriver are not installed"))?;
        let start =
            |what: &'static str| move |source| BrowserError::Start { what: what.to_owned(), source: Some(source) };
        let home = tempfile::tempdir().map_err(start("a folder for the browser"))?;
        let mut process = Command::new(chromedriver)
            .args(["--port=0", "--allowed-ips=127.0.0.1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(start("chromedriver cannot be started"))?;
        let said = process.stdout.take().ok_or_else(|| failed("chromedriver has no output"))?;
        let port = line(said, |line| {
            let (_, rest) = line.split_once("started successfully on port ")?;
            rest.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.await.ok_or_else(|| failed("chromedriver does not say on which port it listens"))?;
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary(&chromium.display().to_string())?;
        for arg in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ] {
            wanted.add_arg(arg)?;
        }
        wanted.add_arg(&format!("--user-data-dir={}", home.path().display()))?;
        wanted.add_arg(&format!("--window-size={},{}", eyes.width, eyes.height))?;
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), wanted).await?;
        driver.set_implicit_wait_timeout(PATIENCE).await?;
        Ok(Browser { driver, _process: process, _home: home })
    }

    /// From the next page on it is seen so.
    ///
    /// # Errors
    /// It does not do it.
    pub async fn look_with(&self, eyes: Eyes) -> Result<(), BrowserError> {
        let light = if eyes.dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": light }] });
        self.tell("Emulation.setEmulatedMedia", &features).await?;
        let Eyes { width, height, .. } = eyes;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tell("Emulation.setDeviceMetricsOverride", &size).await?;
        Ok(())
    }

    /// What it shows of the page that it is at, from the top, as WebP.
    ///
    /// # Errors
    /// It does not do it.
    pub async fn picture(&self) -> Result<Vec<u8>, BrowserError> {
        let taken = self.tell("Page.captureScreenshot", &json!({ "format": "webp", "quality": 70 })).await?;
        let text = taken["data"].as_str().unwrap_or_default();
        let failed = |what: String| BrowserError::Start { what, source: None };
        BASE64.decode(text).map_err(|why| failed(format!("a picture cannot be read: {why}")))
    }

    /// Tells the browser something. A page that was just left may still be in the way: then once more.
    async fn tell(&self, method: &str, with: &serde_json::Value) -> Result<serde_json::Value, WebDriverError> {
        let mut tries = 0;
        loop {
            match self.driver.cdp().send_raw(method, with).await {
                Err(why) if tries < 20 && why.to_string().contains("aborted by navigation") => tries += 1,
                told => return told,
            }
        }
    }

    /// Ends it in good order.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn close(self) -> Result<(), BrowserError> {
        Ok(self.driver.quit().await?)
    }
}

/// A program that serves pages, as `dev` does, with data of its own.
pub struct Served {
    /// Lets one browser in, once.
    pub link: String,
    /// Where it listens: `http://127.0.0.1:4646`.
    pub base: String,
    /// What programs bring.
    pub token: String,
    /// Its copy of the project.
    pub folder: PathBuf,
    _process: Child,
    _data: tempfile::TempDir,
}

impl Served {
    /// Starts `program dev` with a copy of the project in `folder` on a free port.
    ///
    /// # Errors
    /// It does not start or does not say where it listens.
    pub async fn open(program: &Path, folder: &Path) -> Result<Served, BrowserError> {
        Served::open_with(program, folder, &[]).await
    }

    /// The same, with these variables in its environment.
    ///
    /// # Errors
    /// As [`Served::open`].
    pub async fn open_with(
        program: &Path,
        folder: &Path,
        environment: &[(&str, String)],
    ) -> Result<Served, BrowserError> {
        let failed = |what: String| BrowserError::Start { what, source: None };
        let start = |what: String| move |source| BrowserError::Start { what, source: Some(source) };
        let data = tempfile::tempdir().map_err(start("a folder for the data".to_owned()))?;
        let copy = data.path().join("project");
        copy_project(folder, &copy).map_err(start(format!("{} cannot be copied", folder.display())))?;
        let kept = data.path().join("data");
        let name = program.display().to_string();
        let mut process = Command::new(program)
            .arg("dev")
            .arg(&copy)
            .args(["--port", "0", "--json", "--data"])
            .arg(&kept)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(start(format!("{name} cannot be started")))?;
        let said = process.stdout.take().ok_or_else(|| failed(format!("{name} has no output")))?;
        let link = line(said, |line| {
            let said: serde_json::Value = serde_json::from_str(line).ok()?;
            Some(said.get("link")?.as_str()?.to_owned())
        });
        let link = link.await.ok_or_else(|| failed(format!("{name} does not say where it listens")))?;
        let base = link.split("/enter").next().unwrap_or_default().to_owned();
        let token = kept.join("api.token");
        let token = std::fs::read_to_string(token).map_err(start("the token of the API".to_owned()))?;
        Ok(Served { link, base, token: token.trim().to_owned(), folder: copy, _process: process, _data: data })
    }

    /// Gets of the API what a program sees that brings the token.
    ///
    /// # Errors
    /// It does not answer, or not with JSON.
    pub async fn get(&self, path: &str) -> Result<serde_json::Value, reqwest::Error> {
        let get = crate::http::client()?.get(format!("{}/api/v1{path}", self.base));
        get.bearer_auth(&self.token).send().await?.json().await
    }

    /// Posts to the API, as a program that brings the token; gives what it answered.
    ///
    /// # Errors
    /// It does not answer, or not with JSON.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> Result<serde_json::Value, reqwest::Error> {
        let post = crate::http::client()?.post(format!("{}/api/v1{path}", self.base));
        post.bearer_auth(&self.token).json(body).send().await?.json().await
    }
}

/// The first line that says what is looked for; what comes later is read and let go.
async fn line<T>(
    said: impl tokio::io::AsyncRead + Unpin + Send + 'static,
    find: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let mut lines = BufReader::new(said).lines();
    let found = tokio::time::timeout(PATIENCE, async {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(found) = find(&line) {
                return Some(found);
            }
        }
        None
    });
    let found = found.await.ok().flatten();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    found
}
