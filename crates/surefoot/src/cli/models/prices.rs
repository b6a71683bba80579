//! `models prices`.

use clap::Args;
use kernel::{
    governance::budget::{Price, PriceFrom, Tariff},
    values::{Money, Timestamp},
};
use runtime::{Clock as _, SystemClock};
use serde_json::json;

use super::super::{
    Folder, Scene,
    out::{BAD, FAINT, STRONG, paint},
};
use crate::{error::CliError, exit::Exit, project};

/// Print what each model of the project would be charged today, and where that price stands
///
/// The price in surefoot.yaml counts while it holds, else that of the price list that comes with this program. Dollars for a million
/// tokens.
#[derive(Debug, Args)]
pub(super) struct Prices {
    #[command(flatten)]
    folder: Folder,
}

impl Prices {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let folder = &self.folder.folder;
        let checked = project::check(&project::read(folder, true)?);
        let Some(project) = checked.project else {
            let error = CliError::new(Exit::Project, format!("the project {} has errors", folder.display()));
            return Err(error.hint(format!("`surefoot check {}` says which", folder.display())));
        };
        let now = SystemClock::new().now();
        for (name, model) in &project.file.models {
            let (from, prices) = today(&model.tariff, now);
            if scene.out.json {
                let tiers: Vec<_> =
                    prices.iter().map(|(above, price)| json!({ "above": above, "price": price })).collect();
                scene.out.object(
                    &json!({ "kind": "price", "model": name, "at": now.to_string(), "by": from, "tiers": tiers }),
                );
                continue;
            }
            let by = match &from {
                PriceFrom::Free => "free".to_owned(),
                PriceFrom::Unknown => paint(BAD, "none: nobody says what it costs"),
                PriceFrom::Own => "in surefoot.yaml".to_owned(),
                PriceFrom::List(list) => list.to_string(),
            };
            let of = |price: &Price| format!(", {}", days(price));
            let of = prices.first().map(|(_, price)| of(price)).unwrap_or_default();
            scene.out.line(format!("{} {by}{of}", paint(STRONG, format!("{name}:"))));
            for (above, price) in &prices {
                let when =
                    if *above > 0 { format!("; where the input has more than {above} tokens") } else { String::new() };
                scene.out.line(format!("    {}{}", buckets(price), paint(FAINT, when)));
            }
        }
        if project.file.models.is_empty() && !scene.out.json {
            scene.out.line("the project names no model");
        }
        Ok(Exit::Ok)
    }
}

/// Where the price of this moment stands, and the prices by how many tokens the input exceeds.
fn today(tariff: &Tariff, now: Timestamp) -> (PriceFrom, Vec<(u64, Price)>) {
    let (price, from) = tariff.price(now, 0);
    match (&from, tariff) {
        (PriceFrom::List(_), Tariff::Billed { list: Some(list), .. }) => {
            let tiers = list.tiers(now).map(|tier| (tier.above, tariff.price(now, tier.above.saturating_add(1)).0));
            (from, tiers.filter_map(|(above, price)| Some((above, price?))).collect())
        }
        _ => (from, price.map(|price| (0, price)).into_iter().collect()),
    }
}

fn buckets(price: &Price) -> String {
    let Price { input, cache_read, cache_write, output, reasoning, .. } = *price;
    let dollars = |money: Money| money.to_string();
    format!(
        "{} in, {} read from a cache, {} written to one, {} out, {} reasoning",
        dollars(input),
        dollars(cache_read),
        dollars(cache_write),
        dollars(output),
        dollars(reasoning)
    )
}

/// Of which day it is, and until when it holds.
fn days(price: &Price) -> String {
    let day = |at: Timestamp| at.to_string().split('T').next().unwrap_or_default().to_owned();
    let from = price.from.map(|from| format!(", since {}", day(from))).unwrap_or_default();
    let until = price.until.map(|until| format!(", until {}", day(until))).unwrap_or_default();
    format!("of {}{from}{until}", day(price.as_of))
}
