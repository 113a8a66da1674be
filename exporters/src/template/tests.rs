use super::{Template, TemplateError};

fn names(text: &str) -> Vec<&'static str> {
    Template::parse(text).unwrap().elements().iter().map(|e| e.name).collect()
}

fn message(text: &str) -> String {
    Template::parse(text).unwrap_err().to_string()
}

#[test]
fn the_talks_template_is_read() {
    let text = "%IPV4_SRC_ADDR %L4_SRC_PORT %IPV4_DST_ADDR %L4_DST_PORT %IN_PKTS %IN_BYTES %FIRST_SWITCHED \
                %LAST_SWITCHED %TCP_FLAGS %PROTOCOL @PROCESS@";
    let names = names(text);
    assert_eq!(names.len(), 30);
    assert_eq!(names.first(), Some(&"IPV4_SRC_ADDR"));
    assert_eq!(names.last(), Some(&"DST_PROC_PCTG_IOWAIT"));
}

#[test]
fn any_case_ipfix_names_and_aliases() {
    assert_eq!(
        names("%ipv4_src_addr %flowEndReason %flowStartSysUpTime"),
        ["IPV4_SRC_ADDR", "FLOW_END_REASON", "FIRST_SWITCHED"]
    );
}

#[test]
fn typographic_blanks_and_quotes_are_tolerated() {
    assert_eq!(names("“%IN_BYTES\u{a0}%IN_PKTS\u{202f}%PROTOCOL”\u{feff}"), ["IN_BYTES", "IN_PKTS", "PROTOCOL"]);
    assert_eq!(names("'%IN_BYTES%IN_PKTS'\n"), ["IN_BYTES", "IN_PKTS"]);
}

#[test]
fn an_element_named_again_keeps_its_first_place() {
    let names = names("%SRC_PROC_NAME @process@ %SRC_PROC_NAME");
    assert_eq!(names.len(), 20);
    assert_eq!(names[..2], ["SRC_PROC_NAME", "SRC_PROC_PID"]);
}

#[test]
fn the_default_is_all_macros() {
    let all = names(
        "@FLOW@ @PROCESS@ @PIDFLOW@ @TUNNEL@ @NAT@ @KEY@ @APPLICATION@ @TCP@ @PACKETS@ @K8S@ @COLLECTED@ @PLACES@ @GLUED@",
    );
    let default: Vec<_> = Template::default().elements().iter().map(|e| e.name).collect();
    assert_eq!(all, default);
}

#[test]
fn errors_say_where_what_and_what_was_meant() {
    assert_eq!(
        message("%IN_BYTES %SRC_PROC_NMAE"),
        "template, column 11: no element is called %SRC_PROC_NMAE, the nearest is %SRC_PROC_NAME; `pidflow fields` lists them all"
    );
    assert_eq!(message("%X\u{1b}[2J"), "template, column 1: no element is called %X; `pidflow fields` lists them all");
    assert_eq!(
        message("@PROC@"),
        "template, column 1: no macro is called @PROC@; there are @FLOW@, @PROCESS@, @PIDFLOW@, @TUNNEL@, @NAT@, @KEY@, @APPLICATION@, @TCP@, @PACKETS@, @K8S@, @COLLECTED@, @PLACES@ and @GLUED@"
    );
    assert_eq!(message("%IN_BYTES @FLOW"), "template, column 11: @FLOW is not closed; write @FLOW@");
    assert_eq!(message("%IN_BYTES % %IN_PKTS"), "template, column 11: an element's name is missing after %");
    assert_eq!(Template::parse(" ").unwrap_err(), TemplateError::Empty);
}

#[test]
fn a_very_long_name_is_cut_in_the_message() {
    assert!(message(&"%A".replace('A', &"A".repeat(100_000))).len() < 200);
}

#[test]
fn what_collectors_get_is_decoded_by_wireshark_as_it_comes() {
    let template = Template::for_collectors();
    assert_eq!(template.elements().len(), super::FLOW_MACRO.len() + 20 + super::COLLECTOR_EXTRA.len());
    assert!(template.most_fields() <= super::WIRESHARK_FIELDS, "{}", template.most_fields());
    assert!(Template::default().most_fields() > super::WIRESHARK_FIELDS);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic_or_speak_at_length(text in r"(%|@|[A-Z_]{1,12}|\PC){0,40}") {
        match Template::parse(&text) {
            Ok(template) => proptest::prop_assert!(!template.elements().is_empty()),
            Err(error) => proptest::prop_assert!(error.to_string().len() < 500),
        }
    }
}
