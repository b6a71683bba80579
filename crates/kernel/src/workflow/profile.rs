//! Profiles of `surefoot.yaml`: what is different in one place where a project runs. So far: the sites of a demonstration.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    complaint::{Complaints, did_you_mean},
    tool::host::{HostPattern, RESERVED_TLDS},
    yaml::{Fields, Node},
};

/// The one profile that may have sites.
pub const DEMO: &str = "demo";
/// The word for no profile at all.
pub const NONE: &str = "none";

/// `profiles:` and `profile:`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profiles {
    /// By name.
    pub by_name: BTreeMap<Arc<str>, Profile>,
    /// The one used unless something else is said.
    pub default: Option<Arc<str>>,
}

/// One profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Hosts whose pages this machine serves itself.
    pub sites: Option<DemoSites>,
}

/// Hosts that a page tool finds on this machine instead of in the world.
///
/// Only reading a `demo` profile makes one, and only for names that nobody can own, so that no road goes from data or from
/// another profile to an address of this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoSites {
    folders: Vec<(HostPattern, Arc<str>)>,
    log: Option<Arc<str>>,
}

impl DemoSites {
    /// Patterns of hosts with the folder of each, within the project, in the order written.
    pub fn folders(&self) -> &[(HostPattern, Arc<str>)] {
        &self.folders
    }

    /// The file within the project's folder that takes a line for each request.
    pub fn log(&self) -> Option<&Arc<str>> {
        self.log.as_ref()
    }
}

impl Profiles {
    /// The profile that counts: the one `wanted`, else the project's own choice. [`NONE`] is none.
    ///
    /// # Errors
    /// There is no profile of that name; the hint, if one is near.
    pub fn choose(&self, wanted: Option<&str>) -> Result<Option<&Profile>, Option<String>> {
        let Some(name) = wanted.or(self.default.as_deref()).filter(|name| *name != NONE) else { return Ok(None) };
        self.by_name
            .get(name)
            .map(Some)
            .ok_or_else(|| did_you_mean(name, self.by_name.keys().map(|name| &**name).chain([NONE])))
    }

    /// Reads the keys `profiles` and `profile` of the project file.
    pub(super) fn read(file: &Fields<'_>, complaints: &mut Complaints) -> Profiles {
        let mut by_name = BTreeMap::new();
        for (key, node) in file.map("profiles", complaints) {
            if &*key.text == NONE {
                let message = "`none` is the word for no profile and cannot name one";
                complaints.push(crate::complaint::Complaint::new("W020", &node.file, key.span, message));
            } else if let Some(profile) = read_profile(&key.text, node, complaints) {
                by_name.insert(key.text.clone(), profile);
            } else {
                by_name.insert(key.text.clone(), Profile::default());
            }
        }
        let profiles = Profiles { by_name, default: file.opt_text("profile", complaints) };
        if let (Err(hint), Some(node)) = (profiles.choose(None), file.get("profile")) {
            let message = format!("there is no profile `{}`", profiles.default.as_deref().unwrap_or_default());
            complaints.push(node.complaint("W005", message).or_hint(hint));
        }
        profiles
    }
}

fn read_profile(name: &str, node: &Node, complaints: &mut Complaints) -> Option<Profile> {
    let fields = Fields::new(node, "a profile", &["sites", "sites_log"], &["models", "tools"], complaints)?;
    let Some(sites) = fields.get("sites") else { return Some(Profile::default()) };
    if name != DEMO {
        let message = format!("the profile `{name}` has sites, and only a profile named `{DEMO}` may have them");
        let hint = "pages of this machine stand in for hosts in demonstrations only";
        complaints.push(sites.complaint("W031", message).hint(hint));
        return None;
    }
    let mut folders = Vec::new();
    for (key, node) in sites.map(complaints)? {
        let complain = |message: String| crate::complaint::Complaint::new("W031", &node.file, key.span, message);
        let pattern = match HostPattern::parse(&key.text) {
            Ok(pattern) if pattern.is_reserved() => pattern,
            Ok(pattern) => {
                let hint = format!("end it with one of .{}", RESERVED_TLDS.join(", ."));
                complaints.push(complain(format!("`{pattern}` may belong to somebody")).hint(hint));
                return None;
            }
            Err(why) => {
                complaints.push(complain(format!("`{}` {why}", key.text)));
                return None;
            }
        };
        let folder = node.text(complaints)?;
        within(node, &folder, complaints)?;
        folders.push((pattern, folder.trim_end_matches('/').into()));
    }
    let log = match fields.get("sites_log") {
        None => None,
        Some(node) => {
            let path = node.text(complaints)?;
            within(node, &path, complaints)?;
            Some(path)
        }
    };
    Some(Profile { sites: Some(DemoSites { folders, log }) })
}

/// A path that stays within the project's folder.
fn within(node: &Node, path: &str, complaints: &mut Complaints) -> Option<()> {
    let path = path.trim_end_matches('/');
    let stays = path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !path.contains(['\\', ':']);
    if !stays {
        let message = format!("`{path}` is no path within the project");
        complaints.push(node.complaint("W005", message).hint("write it from the project's folder, as in `seed/sites`"));
    }
    stays.then_some(())
}
