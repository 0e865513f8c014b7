//! The instant messaging service element.
