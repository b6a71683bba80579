//! The shop: its data, and its tools as their authors wrote them, to the byte.

use std::{io, sync::LazyLock};

use kernel::ids::Digest;
use serde::Serialize;
use serde_json::{Value, json, ser::Formatter};

const DATA: &str = include_str!("../../testdata/tau-retail/db.json");

static OPENING: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(DATA).expect("the data is JSON: held by the tests, which read it"));

/// What a tool says: its answer, or the words after `Error: `. Both are answers to whoever asked.
type Said = Result<String, String>;

/// A shop in memory.
#[derive(Clone, Debug)]
pub struct Shop {
    data: Value,
}

impl Default for Shop {
    /// As it stands before the first customer.
    fn default() -> Self {
        Shop { data: OPENING.clone() }
    }
}

/// The tools that change something.
pub const CHANGES: [&str; 7] = [
    "cancel_pending_order",
    "exchange_delivered_order_items",
    "modify_pending_order_address",
    "modify_pending_order_items",
    "modify_pending_order_payment",
    "modify_user_address",
    "return_delivered_order_items",
];

/// The tools that give money back, all of it named by one argument.
pub const REFUNDS: [&str; 2] = ["cancel_pending_order", "return_delivered_order_items"];

impl Shop {
    /// Calls a tool with the arguments that its schema asks for.
    pub fn call(&mut self, tool: &str, with: &Value) -> String {
        let text = |name: &str| with[name].as_str().unwrap_or_default();
        let said = match tool {
            "calculate" => calculate(text("expression")),
            "cancel_pending_order" => self.cancel(text("order_id"), text("reason")),
            "exchange_delivered_order_items" => self.exchange(with),
            "find_user_id_by_email" => self.find_user(|user| lower(&user["email"]) == text("email").to_lowercase()),
            "find_user_id_by_name_zip" => self.find_user(|user| {
                lower(&user["name"]["first_name"]) == text("first_name").to_lowercase()
                    && lower(&user["name"]["last_name"]) == text("last_name").to_lowercase()
                    && user["address"]["zip"] == with["zip"]
            }),
            "get_item_details" => self.item(text("item_id")),
            "get_order_details" => self.record("orders", text("order_id")).map(python),
            "get_product_details" => self.record("products", text("product_id")).map(python),
            "get_user_details" => self.record("users", text("user_id")).map(python),
            "list_all_product_types" => Ok(self.product_types()),
            "modify_pending_order_address" => {
                let order = pending(self.record_mut("orders", text("order_id")), "modified");
                order.map(|order| move_to(order, with))
            }
            "modify_pending_order_items" => self.modify_items(with),
            "modify_pending_order_payment" => self.modify_payment(text("order_id"), text("payment_method_id")),
            "modify_user_address" => self.record_mut("users", text("user_id")).map(|user| move_to(user, with)),
            "return_delivered_order_items" => self.give_back(with),
            "think" => Ok(String::new()),
            "transfer_to_human_agents" => Ok("Transfer successful".to_owned()),
            other => Err(format!("no tool is called {other}")),
        };
        said.unwrap_or_else(|why| format!("Error: {why}"))
    }

    /// What a cancellation of an order, or a return of some of its items, gives back, in cents.
    ///
    /// # Errors
    /// There is no such order, or it has no such items.
    pub fn refund_cents(&self, with: &Value) -> Result<i64, String> {
        let order = self.record("orders", with["order_id"].as_str().unwrap_or_default())?;
        let Some(items) = with.get("item_ids").and_then(Value::as_array) else {
            let paid = list(&order["payment_history"]).iter().filter(|one| one["transaction_type"] == "payment");
            return Ok(paid.map(|one| cents(&one["amount"])).sum());
        };
        let mut left: Vec<&Value> = list(&order["items"]).iter().collect();
        let mut sum = 0;
        for id in items {
            let at = left.iter().position(|item| item["item_id"] == *id).ok_or("some item not found")?;
            sum += cents(&left.swap_remove(at)["price"]);
        }
        Ok(sum)
    }

    /// SHA-256 of everything, as the recording has it: JSON with sorted keys and without white space.
    pub fn digest(&self) -> String {
        let mut data = self.data.clone();
        data.sort_all_objects();
        Digest::of(&[data.to_string().as_bytes()]).to_string()
    }

    fn record(&self, kind: &str, id: &str) -> Result<&Value, String> {
        self.data[kind].get(id).ok_or_else(|| format!("{} not found", kind.trim_end_matches('s')))
    }

    fn record_mut(&mut self, kind: &str, id: &str) -> Result<&mut Value, String> {
        let missing = || format!("{} not found", kind.trim_end_matches('s'));
        self.data[kind].get_mut(id).ok_or_else(missing)
    }

    fn find_user(&self, is: impl Fn(&Value) -> bool) -> Said {
        let users = self.data["users"].as_object();
        let found = users.into_iter().flatten().find(|(_, user)| is(user));
        found.map(|(id, _)| id.clone()).ok_or_else(|| "user not found".to_owned())
    }

    fn item(&self, id: &str) -> Said {
        let products = self.data["products"].as_object();
        let found = products.into_iter().flatten().find_map(|(_, product)| product["variants"].get(id));
        found.map(python).ok_or_else(|| "item not found".to_owned())
    }

    fn product_types(&self) -> String {
        let products = self.data["products"].as_object();
        let mut named: Value =
            products.into_iter().flatten().map(|(id, one)| (text(&one["name"]), json!(id))).collect();
        named.sort_all_objects();
        python(&named)
    }

    /// How an order's customer pays under that id.
    fn method(&self, order: &Value, id: &str) -> Result<&Value, String> {
        let user = self.record("users", order["user_id"].as_str().unwrap_or_default())?;
        user["payment_methods"].get(id).ok_or_else(|| "payment method not found".to_owned())
    }

    /// Adds to what is on a gift card; other ways to pay have no balance here.
    fn add(&mut self, user: &str, method: &str, amount: f64) -> Result<(), String> {
        let method = &mut self.record_mut("users", user)?["payment_methods"][method];
        if method["source"] == "gift_card" {
            method["balance"] = json!(rounded(number(&method["balance"]) + amount));
        }
        Ok(())
    }

    fn cancel(&mut self, id: &str, reason: &str) -> Said {
        let order = pending(self.record_mut("orders", id), "cancelled")?.clone();
        if !["no longer needed", "ordered by mistake"].contains(&reason) {
            return Err("invalid reason".to_owned());
        }
        let mut refunds = Vec::new();
        for paid in list(&order["payment_history"]) {
            let method = text(&paid["payment_method_id"]);
            refunds.push(json!({"transaction_type": "refund", "amount": paid["amount"], "payment_method_id": method}));
            if method.contains("gift_card") {
                self.add(&text(&order["user_id"]), &method, number(&paid["amount"]))?;
            }
        }
        let order = self.record_mut("orders", id)?;
        order["status"] = json!("cancelled");
        order["cancel_reason"] = json!(reason);
        extend(&mut order["payment_history"], refunds);
        Ok(python(order))
    }

    /// Whether these items can become those, and what the difference costs.
    fn swap(&self, order: &Value, with: &Value) -> Result<f64, String> {
        let (old, new) = (list(&with["item_ids"]), list(&with["new_item_ids"]));
        let items = list(&order["items"]);
        has_all(items, old, |id| format!("{id} not found"))?;
        if old.len() != new.len() {
            return Err("the number of items to be exchanged should match".to_owned());
        }
        let mut difference = 0.0;
        for (old, new) in old.iter().zip(new) {
            let item = items.iter().find(|item| item["item_id"] == *old).unwrap_or(&Value::Null);
            let variant = self.variant(item, new).filter(|variant| variant["available"] == true);
            let missing = || format!("new item {} not found or available", text(new));
            difference += number(&variant.ok_or_else(missing)?["price"]) - number(&item["price"]);
        }
        Ok(difference)
    }

    fn variant(&self, item: &Value, id: &Value) -> Option<&Value> {
        self.data["products"][item["product_id"].as_str()?]["variants"].get(id.as_str()?)
    }

    fn exchange(&mut self, with: &Value) -> Said {
        let (id, method) = (text(&with["order_id"]), text(&with["payment_method_id"]));
        let order = delivered(self.record("orders", &id), "exchanged")?;
        let difference = rounded(self.swap(order, with)?);
        covers(self.method(order, &method)?, difference, "the price difference")?;
        let order = self.record_mut("orders", &id)?;
        order["status"] = json!("exchange requested");
        order["exchange_items"] = sorted(&with["item_ids"]);
        order["exchange_new_items"] = sorted(&with["new_item_ids"]);
        order["exchange_payment_method_id"] = json!(method);
        order["exchange_price_difference"] = json!(difference);
        Ok(python(order))
    }

    fn modify_items(&mut self, with: &Value) -> Said {
        let (id, method) = (text(&with["order_id"]), text(&with["payment_method_id"]));
        let mut order = pending(self.record_mut("orders", &id), "modified")?.clone();
        let difference = self.swap(&order, with)?;
        covers(self.method(&order, &method)?, difference, "the new item")?;
        let kind = if difference > 0.0 { "payment" } else { "refund" };
        let paid = json!({"transaction_type": kind, "amount": difference.abs(), "payment_method_id": method});
        extend(&mut order["payment_history"], vec![paid]);
        self.add(&text(&order["user_id"]), &method, -difference)?;
        for (old, new) in list(&with["item_ids"]).iter().zip(list(&with["new_item_ids"])) {
            let items = order["items"].as_array_mut();
            let item = items.into_iter().flatten().find(|item| item["item_id"] == *old);
            let Some(item) = item else { return Err(format!("{} not found", text(old))) };
            let variant = self.variant(item, new).cloned().unwrap_or_default();
            item["item_id"] = new.clone();
            item["price"] = variant["price"].clone();
            item["options"] = variant["options"].clone();
        }
        order["status"] = json!("pending (item modified)");
        let kept = self.record_mut("orders", &id)?;
        *kept = order;
        Ok(python(kept))
    }

    fn modify_payment(&mut self, id: &str, method: &str) -> Said {
        let order = pending(self.record_mut("orders", id), "modified")?.clone();
        let new = self.method(&order, method)?;
        let paid = match list(&order["payment_history"]) {
            [paid] if paid["transaction_type"] == "payment" => paid,
            _ => return Err("there should be exactly one payment for a pending order".to_owned()),
        };
        if paid["payment_method_id"] == method {
            return Err("the new payment method should be different from the current one".to_owned());
        }
        covers(new, number(&paid["amount"]), "the order")?;
        let (old, amount, user) = (text(&paid["payment_method_id"]), number(&paid["amount"]), text(&order["user_id"]));
        self.add(&user, method, -amount)?;
        self.add(&user, &old, amount)?;
        let order = self.record_mut("orders", id)?;
        let made =
            |kind: &str, method: &str| json!({"transaction_type": kind, "amount": amount, "payment_method_id": method});
        extend(&mut order["payment_history"], vec![made("payment", method), made("refund", &old)]);
        Ok(python(order))
    }

    fn give_back(&mut self, with: &Value) -> Said {
        let (id, method) = (text(&with["order_id"]), text(&with["payment_method_id"]));
        let order = delivered(self.record("orders", &id), "returned")?;
        self.method(order, &method)?;
        if !method.contains("gift_card")
            && order["payment_history"][0]["payment_method_id"] != with["payment_method_id"]
        {
            return Err("payment method should be either the original payment method or a gift card".to_owned());
        }
        has_all(list(&order["items"]), list(&with["item_ids"]), |_| "some item not found".to_owned())?;
        let order = self.record_mut("orders", &id)?;
        order["status"] = json!("return requested");
        order["return_items"] = sorted(&with["item_ids"]);
        order["return_payment_method_id"] = json!(method);
        Ok(python(order))
    }
}

fn pending<'o>(order: Result<&'o mut Value, String>, done: &str) -> Result<&'o mut Value, String> {
    let order = order?;
    if order["status"] == "pending" { Ok(order) } else { Err(format!("non-pending order cannot be {done}")) }
}

fn delivered<'o>(order: Result<&'o Value, String>, done: &str) -> Result<&'o Value, String> {
    let order = order?;
    if order["status"] == "delivered" { Ok(order) } else { Err(format!("non-delivered order cannot be {done}")) }
}

fn has_all(items: &[Value], ids: &[Value], missing: impl Fn(&str) -> String) -> Result<(), String> {
    for id in ids {
        let wanted = ids.iter().filter(|other| *other == id).count();
        if wanted > items.iter().filter(|item| item["item_id"] == *id).count() {
            return Err(missing(&text(id)));
        }
    }
    Ok(())
}

fn covers(method: &Value, amount: f64, what: &str) -> Result<(), String> {
    if method["source"] == "gift_card" && number(&method["balance"]) < amount {
        return Err(format!("insufficient gift card balance to pay for {what}"));
    }
    Ok(())
}

fn move_to(record: &mut Value, with: &Value) -> String {
    let fields = ["address1", "address2", "city", "state", "country", "zip"];
    record["address"] = fields.into_iter().map(|name| (name.to_owned(), with[name].clone())).collect();
    python(record)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn extend(list: &mut Value, more: Vec<Value>) {
    list.as_array_mut().into_iter().for_each(|list| list.extend(more.iter().cloned()));
}

fn sorted(ids: &Value) -> Value {
    let mut ids: Vec<String> = list(ids).iter().map(text).collect();
    ids.sort();
    json!(ids)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn lower(value: &Value) -> String {
    text(value).to_lowercase()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

/// To two places, ties by the exact binary value: as Python rounds.
fn rounded(number: f64) -> f64 {
    format!("{number:.2}").parse().unwrap_or(number)
}

fn cents(amount: &Value) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "sums of this shop are far below 2^53 cents")]
    {
        (number(amount) * 100.0).round() as i64
    }
}

/// JSON as Python's `json.dumps` writes it, keys in the order in which they were set.
pub fn python(value: &Value) -> String {
    let mut out = Vec::new();
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Spaced));
    written.expect("writing JSON to memory cannot fail: keys are texts");
    String::from_utf8(out).expect("JSON is UTF-8: held by serde_json")
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

/// Sums, products and parentheses, rounded to two places.
fn calculate(expression: &str) -> Said {
    if !expression.chars().all(|c| "0123456789+-*/(). ".contains(c)) {
        return Err("invalid characters in expression".to_owned());
    }
    let text: String = expression.split_whitespace().collect();
    let mut rest = text.as_str();
    let value = sum(&mut rest, 0).filter(|_| rest.is_empty()).ok_or("invalid syntax")?;
    Ok(format!("{:?}", rounded(value)))
}

fn sum(rest: &mut &str, depth: u8) -> Option<f64> {
    let mut value = product(rest, depth)?;
    while let Some(sign @ ('+' | '-')) = rest.chars().next() {
        *rest = &rest[1..];
        let more = product(rest, depth)?;
        value += if sign == '+' { more } else { -more };
    }
    Some(value)
}

fn product(rest: &mut &str, depth: u8) -> Option<f64> {
    let mut value = factor(rest, depth)?;
    while let Some(sign @ ('*' | '/')) = rest.chars().next() {
        *rest = &rest[1..];
        let more = factor(rest, depth)?;
        value = if sign == '*' { value * more } else { value / more };
    }
    Some(value)
}

fn factor(rest: &mut &str, depth: u8) -> Option<f64> {
    if depth > 50 {
        return None;
    }
    if let Some(after) = rest.strip_prefix('-') {
        *rest = after;
        return factor(rest, depth + 1).map(|value| -value);
    }
    if let Some(after) = rest.strip_prefix('(') {
        *rest = after;
        let value = sum(rest, depth + 1)?;
        *rest = rest.strip_prefix(')')?;
        return Some(value);
    }
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, after) = rest.split_at(end);
    *rest = after;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_opens_as_recorded() {
        let opening = "f08162ba14d2d3ce9ebe4ebc0fa3cd4bdc2876eaaf9d3411802cdba96ea1f41a";
        assert_eq!(Shop::default().digest(), opening);
    }

    #[test]
    fn sums_are_those_of_python() {
        let calculate = |text: &str| Shop::default().call("calculate", &json!({"expression": text}));
        assert_eq!(calculate("155.33 - 147.05 + 268.77 - 235.13"), "41.92");
        assert_eq!(calculate("(1 + 2) * -3 / 2"), "-4.5");
        assert_eq!(calculate("2 +"), "Error: invalid syntax");
        assert_eq!(calculate("x"), "Error: invalid characters in expression");
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let mut shop = Shop::default();
        let before = shop.digest();
        let with = json!({"order_id": "#W2378156", "item_ids": ["1151293680", "1151293680"], "payment_method_id": "credit_card_9513926"});
        assert_eq!(shop.call("return_delivered_order_items", &with), "Error: some item not found");
        assert_eq!(shop.call("cancel_pending_order", &with), "Error: non-pending order cannot be cancelled");
        assert_eq!(shop.digest(), before);
    }
}
