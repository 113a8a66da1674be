//! A Wireshark script that names the elements which Wireshark shows as "Enterprise Private entry".

use pidflow_schema::{DataType, Element, Enterprise};

use crate::text::{GENERATED, line, lower, private};

const HEAD: &str = r#"-- wireshark -X lua_script:wireshark.lua, or copy it into the personal plugins folder. It adds a tree "pidflow" with
-- the elements that the NetFlow dissector shows as "Enterprise Private entry", one after the other as they come.
-- Templates of more than 60 elements: set the preference cflow.max_template_fields.
local pidflow = Proto("pidflow", "pidflow elements")
local entry = Field.new("cflow.enterprise_private_entry")
local ntop, own = {}, {}
"#;

const TAIL: &str = r#"
pidflow.fields = {}
for _, of in ipairs({ ntop, own }) do
  for _, element in pairs(of) do table.insert(pidflow.fields, element.field) end
end

function pidflow.dissector(_, _, tree)
  local subtree
  for _, info in ipairs({ entry() }) do
    local vendor, id = info.display:match("^%((.-)%) Type (%d+):")
    local element = id and (vendor == "ntop" and ntop or own)[tonumber(id)]
    if element then
      subtree = subtree or tree:add(pidflow)
      local range = info.range
      if element.text then
        subtree:add(element.field, range, range:string())
      else
        subtree:add(element.field, range)
      end
    end
  end
end

register_postdissector(pidflow, true)
"#;

/// The kind of Lua field, and whether its value is text.
fn kind(e: &Element) -> (&'static str, bool) {
    match e.data_type {
        DataType::String => ("string", true),
        DataType::Unsigned8 => ("uint8", false),
        DataType::Unsigned16 => ("uint16", false),
        DataType::Unsigned32 => ("uint32", false),
        DataType::Signed64 => ("int64", false),
        _ => ("uint64", false),
    }
}

/// The whole script.
pub(crate) fn script() -> String {
    let mut out = format!("-- {GENERATED}\n{HEAD}");
    for e in private() {
        let (table, (kind, text)) = (if e.enterprise == Enterprise::Ntop { "ntop" } else { "own" }, kind(e));
        let name = lower(e);
        line(
            &mut out,
            format_args!(
                "{table}[{}] = {{ field = ProtoField.{kind}(\"pidflow.{name}\", \"{}\"), text = {text} }}",
                e.id, e.name
            ),
        );
    }
    out + TAIL
}
