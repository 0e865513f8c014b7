//! Names of presence attributes, as empty elements in a PresenceSubList: the same in CSP and SSP
//! (reference ssp-types §5).

use crate::wire::table::{Atom, Context, Sink};
use crate::wire::tree::Element;
use crate::wire::wbxml::tokens::{self, Namespace, namespace};

/// Longest name that is kept, in octets.
const NAME_OCTETS_MAX: usize = 64;

/// The names in a PresenceSubList, in the spelling of the standard where it has them.
pub(super) fn read(list: Element<'_, '_>) -> Vec<Box<str>> {
    let name = |child: Element<'_, '_>| {
        let name = tokens::tag_of(child.hash()).map_or(child.name(), |tag| tag.row.name);
        (name.len() <= NAME_OCTETS_MAX).then(|| name.into())
    };
    list.children().filter_map(name).collect()
}

/// Writes a PresenceSubList in the namespace of the version; nothing for no names.
pub(super) fn write(names: &[Box<str>], sink: &mut dyn Sink, context: &Context<'_>) {
    if names.is_empty() {
        return;
    }
    sink.open("PresenceSubList");
    sink.attribute("xmlns", Atom::Text(namespace(context.version, Namespace::Presence)));
    for name in names {
        sink.open(name);
        sink.close();
    }
    sink.close();
}
