//! Turns ROUTE off in the text of `aq.toml` and leaves every other byte as it is (clause F-21). Nothing here, and nothing
//! else in this program, turns it on.

use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::config_file::ConfigFile;
use super::{SettingsError, known_keys};

const OFF: &str = "false";

/// The text with ROUTE off. None: it does not say that ROUTE is on.
///
/// # Errors
/// It can't be understood as it is, so it is better left alone.
pub(crate) fn with_route_off(path: PathBuf, text: &str) -> Result<Option<String>, SettingsError> {
    let file = ConfigFile::parse(path.clone(), text)?;
    if !file.is_route_on()? {
        return Ok(None);
    }
    let Some(off) = replaced(text) else {
        return Ok(None);
    };
    // What was cut in may have been the wrong bytes only if the parser told a wrong place.
    let later = ConfigFile::parse(path, &off)?;
    let is_rest_same = file.differing(&later).is_empty();
    Ok(Some(off).filter(|_| is_rest_same && later.is_route_on().is_ok_and(|on| !on)))
}

/// The value of the switch in another form, wherever and however it is written: in its table, dotted, or inline.
fn replaced(text: &str) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    let (table, key) = known_keys::ROUTE.file.split_once('.')?;
    let DeValue::Table(fleet) = document.get_ref().get(table)?.get_ref() else {
        return None;
    };
    let span = fleet.get(key)?.span();
    Some([text.get(..span.start)?, OFF, text.get(span.end..)?].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off(text: &str) -> Option<String> {
        with_route_off("aq.toml".into(), text).unwrap()
    }

    #[test]
    fn only_the_value_changes_however_it_is_written() {
        for text in [
            "[fleet]\nroute_via_service = @\n",
            "# a\r\n[fleet]   # b\r\n\tenabled=true\r\n\troute_via_service  =  @  # on since Monday\r\n\r\n[run]\r\n",
            "fleet.enabled = true\nfleet.route_via_service = @ # x",
            "fleet = { enabled = true, route_via_service = @, shadow = true }\n",
            "[ fleet ]\n\"route_via_service\" = @\n[engine.x]\ncommand = \"route_via_service = true\"\n",
            "\u{feff}[fleet]\nroute_via_service = @",
            "grace = \"2s\" # \u{e9}\u{1f600}\n[fleet]\n'route_via_service' = @\nurl = \"http://127.0.0.1:1\"\n",
        ] {
            for on in ["true", "1", "0x1", "\"on\"", "'1'", "\"TRUE\"", "\"\"\"on\"\"\""] {
                let found = off(&text.replace('@', on));
                assert_eq!(
                    found.as_deref(),
                    Some(text.replace('@', "false").as_str()),
                    "{on}"
                );
            }
        }
    }

    #[test]
    fn a_file_that_does_not_turn_it_on_is_left_alone() {
        for text in [
            "",
            "[fleet]\nenabled = true\n",
            "[fleet]\nroute_via_service = false\n",
            "[fleet]\nroute_via_service = \"off\"\n",
            "# [fleet]\n# route_via_service = true\n",
        ] {
            assert_eq!(off(text), None, "{text}");
        }
    }

    #[test]
    fn a_file_that_can_not_be_understood_is_left_alone() {
        for text in [
            "[fleet",
            "[fleet]\nroute_via_service = 2\n",
            "[fleet]\nroute = true\n",
        ] {
            assert!(with_route_off("aq.toml".into(), text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_that_comes_out_turns_it_on() {
        let values = ["true", "false", "1", "0", "\"on\"", "\"off\""];
        for (value, more) in values.into_iter().zip(["", "#", "\n", "\r\n", " ", "\t"]) {
            let text = format!("[fleet]\nroute_via_service = {value}{more}");
            let Some(off) = off(&text) else { continue };
            let file = ConfigFile::parse("aq.toml".into(), &off).unwrap();
            assert!(!file.is_route_on().unwrap(), "{text}");
        }
    }
}
