//! A service that embeds Surefoot: its function is a step, its code is a tool, its runs survive it.

use std::error::Error;

use kernel::values::Value;
use surefoot::{Call, Sources, Surefoot};

const FILES: [(&str, &str); 3] = [
    ("surefoot.yaml", "project: shop\n"),
    ("tools/parcel.yaml", "tool: parcel\nnative: true\noperations: { send: { effect: idempotent } }\n"),
    (
        "workflows/order.yaml",
        "workflow: order\nresult: { value: =sent }\nstages:\n  - stage: all\n    steps:\n\
         \x20     - { step: total, native: sum@1, with: =input.prices }\n\
         \x20     - { step: sent, act: parcel.send, with: { to: =input.to, paid: =total } }\n",
    ),
];

/// Runs one order.
#[tokio::main]
pub async fn main() -> Result<(), Box<dyn Error>> {
    let surefoot = Surefoot::builder()
        .sources(FILES.into_iter().collect::<Sources>()) // or .project("folder"), and .data_dir("data") to survive
        .native("sum@1", |prices| {
            let Value::List(prices) = &prices else { return Err(format!("{} is no list", prices.kind())) };
            Ok(Value::Int(prices.iter().map(|price| if let Value::Int(cents) = price { *cents } else { 0 }).sum()))
        })
        .tool("parcel", |call: Call| async move {
            Ok(Value::map([("label", call.key.as_str().into()), ("to", call.input)]))
        })
        .build()?;
    let order = Value::from_json(br#"{"to":"Ada","prices":[1200,350]}"#)?;
    let ended = surefoot.run_to_end("order", order).await?;
    let result = ended.result.unwrap_or_default();
    assert_eq!(result.get("to").and_then(|to| to.get("paid")), Some(&Value::Int(1550)));
    Ok(())
}
