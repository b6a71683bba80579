use std::fmt::Write as _;

use crate::workflow::project::{self, Sources};

const DOCUMENT: &str = r##"
openapi: 3.0.3
info: { title: Billing, version: 1.10, x-since: 2024-01-01 }
paths:
  /accounts/{account id}/payments:
    parameters:
      - { in: path, name: account id, required: true, schema: { type: string } }
      - { in: query, name: limit, schema: { type: integer, minimum: 0, exclusiveMinimum: true } }
    get:
      operationId: listPayments
      parameters:
        - { $ref: "#/components/parameters/Since" }
        - { in: query, name: limit, required: true, schema: { type: integer } }
        - { in: query, name: tags, schema: { type: array, items: { type: string } } }
        - { in: header, name: X-Trace, schema: { type: string } }
        - { in: header, name: X-Api-Key, required: true, schema: { type: string } }
        - { in: header, name: Authorization, schema: { type: string } }
      responses:
        200: { $ref: "#/components/responses/Payments" }
        404: { description: none }
  /payments/{id}/transfers:
    parameters: [ { in: path, name: id, required: true, schema: { type: string } } ]
    post:
      operationId: transfer
      parameters: [ { in: header, name: Idempotency-Key, required: true, schema: { type: string } } ]
      requestBody:
        content:
          application/json; charset=utf-8: { schema: { $ref: "#/components/schemas/Transfer" } }
      responses: { 201: { description: done, content: { application/json: { schema: { $ref: "#/components/schemas/Transfer" } } } } }
    put:
      operationId: replace
      requestBody: { content: { application/json: { schema: { allOf: [ { $ref: "#/components/schemas/Transfer" } ] } } } }
      responses: { 204: { description: done } }
    delete: { operationId: drop, responses: { 204: { description: done } } }
components:
  parameters:
    Since: { in: query, name: since, schema: { type: string, format: date } }
  responses:
    Payments: { description: all, content: { application/json: { schema: { type: array, items: { type: object } } } } }
  schemas:
    Transfer:
      type: object
      required: [ serial, cents ]
      properties:
        serial: { type: string, readOnly: true }
        cents: { type: integer }
        note: { type: string, nullable: true }
"##;

const TOOL: &str = r#"
tool: billing
http: { openapi: tools/billing.openapi.yaml, base_url: "https://b.example", headers: { x-api-key: secret://billing } }
operations:
  list_payments: { effect: read, operation_id: listPayments, query: { tags: "{{ with.tags | default([]) | join(',') }}" } }
  transfer: { effect: idempotent, key: { header: Idempotency-Key } }
  replace: { effect: at_most_once }
  drop: { effect: at_most_once, path: "/v2/payments/{{ with.id }}" }
"#;

/// All operations, as they would be sent.
fn told(document: (&str, &str), tool: &str) -> String {
    let sources: Sources = [
        ("surefoot.yaml", "project: x\n"),
        ("workflows/w.yaml", "workflow: w\nstages: [{ stage: s, steps: [{ step: a, set: 1 }] }]\n"),
        document,
        ("tools/billing.yaml", tool),
    ]
    .into_iter()
    .collect();
    let checked = project::check(&sources);
    let project = checked.project.unwrap_or_else(|| panic!("{:?}", checked.complaints));
    let mut told = String::new();
    for (name, operation) in &project.tools["billing"].operations {
        let call = operation.http.as_ref().unwrap();
        let _ = writeln!(told, "{name}: {} {}", call.method, call.path.source());
        for (what, texts) in [("query", &call.query), ("header", &call.headers)] {
            for (name, text) in texts {
                let _ = writeln!(told, "  {what} {name}: {}", text.source());
            }
        }
        let _ = writeln!(told, "  body {:?}, whole {}", call.only.as_deref(), call.body.is_some());
        for (what, schema) in [("takes", &operation.params), ("gives", &operation.returns)] {
            let schema = schema.as_ref().map(|schema| crate::values::Value::try_from(schema.json()).unwrap().to_json());
            let _ = writeln!(told, "  {what} {}", schema.unwrap_or_default());
        }
    }
    told
}

#[test]
fn an_operation_is_what_its_document_says_unless_its_file_does() {
    let told = told(("tools/billing.openapi.yaml", DOCUMENT), TOOL);
    expect_test::expect![[r##"
        drop: DELETE /v2/payments/{{ with.id }}
          body Some([]), whole false
          takes {"additionalProperties":false,"properties":{"id":{"type":"string"}},"required":["id"],"type":"object"}
          gives 
        list_payments: GET /accounts/{{ with['account id'] }}/payments
          query limit: {{ with['limit'] }}
          query since: {{ with['since'] | default('') }}
          query tags: {{ with.tags | default([]) | join(',') }}
          header X-Trace: {{ with['X-Trace'] | default('') }}
          body Some([]), whole false
          takes {"additionalProperties":false,"properties":{"X-Trace":{"type":"string"},"account id":{"type":"string"},"limit":{"type":"integer"},"since":{"format":"date","type":"string"},"tags":{"items":{"type":"string"},"type":"array"}},"required":["account id","limit"],"type":"object"}
          gives {"items":{"type":"object"},"type":"array"}
        replace: PUT /payments/{{ with['id'] }}/transfers
          body None, whole true
          takes {"$defs":{"Transfer":{"properties":{"cents":{"type":"integer"},"note":{"type":["string","null"]}},"required":["cents"],"type":"object"}},"additionalProperties":false,"properties":{"body":{"allOf":[{"$ref":"#/$defs/Transfer"}]},"id":{"type":"string"}},"required":["id","body"],"type":"object"}
          gives 
        transfer: POST /payments/{{ with['id'] }}/transfers
          body Some(["cents", "note"]), whole false
          takes {"additionalProperties":false,"properties":{"cents":{"type":"integer"},"id":{"type":"string"},"note":{"type":["string","null"]}},"required":["id","cents"],"type":"object"}
          gives {"$defs":{"Transfer":{"properties":{"cents":{"type":"integer"},"note":{"type":["string","null"]},"serial":{"readOnly":true,"type":"string"}},"required":["serial","cents"],"type":"object"}},"$ref":"#/$defs/Transfer"}
    "##]].assert_eq(&told);
}

#[test]
fn json_is_read_as_well() {
    let document = r#"{ "openapi": "3.1.0", "paths": { "/a": { "get": { "operationId": "look", "responses": {
        "200": { "content": { "application/json": { "schema": { "type": ["string", "null"] } } } } } } } } }"#;
    let tool = "tool: billing\nhttp: { openapi: tools/b.openapi.json, base_url: \"https://b.example\" }\n\
                operations: { look: { effect: read } }\n";
    let told = told(("tools/b.openapi.json", document), tool);
    assert!(
        told.starts_with("look: GET /a\n") && told.ends_with("  gives {\"type\":[\"string\",\"null\"]}\n"),
        "{told}"
    );
}
