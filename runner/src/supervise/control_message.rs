//! The messages of a runner to a supervisor that is at work. A message is sent in one piece, and may arrive in
//! several.

use crate::boot_clock::{BootInstant, KillDeadlines};

const END: u8 = b'E';
const KILL: u8 = b'K';
/// The instants of TERM and KILL follow it: nanoseconds on the clock that counts suspension, lowest byte first.
const FENCE: u8 = b'L';
const FENCE_BYTES: usize = 17;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ControlMessage {
    /// End the tree, with a grace period.
    End,
    /// End the tree at once.
    Kill,
    /// When the command has to end for its lease, as of now.
    Deadlines(KillDeadlines),
}

impl ControlMessage {
    pub(super) fn bytes(self) -> Vec<u8> {
        match self {
            ControlMessage::End => vec![END],
            ControlMessage::Kill => vec![KILL],
            ControlMessage::Deadlines(ending) => {
                let instants = [ending.term_at, ending.kill_at].map(|at| at.nanos().to_le_bytes());
                [FENCE].into_iter().chain(instants.concat()).collect()
            }
        }
    }
}

/// Puts messages together that arrived in pieces.
#[derive(Debug, Default)]
pub(super) struct ControlReader {
    /// The beginning of a message whose rest has not arrived.
    begun: Vec<u8>,
}

impl ControlReader {
    /// Takes in bytes and returns the messages that are whole now, in their order. A byte that begins no message is
    /// skipped.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<ControlMessage> {
        self.begun.extend_from_slice(bytes);
        let mut messages = Vec::new();
        let mut rest = self.begun.as_slice();
        while let [first, ..] = rest {
            let length = match *first {
                FENCE => FENCE_BYTES,
                _ => 1,
            };
            let Some((message, after)) = rest.split_at_checked(length) else {
                break;
            };
            messages.extend(read(message));
            rest = after;
        }
        self.begun = rest.to_vec();
        messages
    }
}

fn read(message: &[u8]) -> Option<ControlMessage> {
    match message {
        [END] => Some(ControlMessage::End),
        [KILL] => Some(ControlMessage::Kill),
        [FENCE, instants @ ..] => {
            let (term, kill) = instants.split_first_chunk::<8>()?;
            let at = |bytes| BootInstant::of_nanos(u64::from_le_bytes(bytes));
            Some(ControlMessage::Deadlines(KillDeadlines {
                term_at: at(*term),
                kill_at: at(kill.try_into().ok()?),
            }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_again_whatever_pieces_they_come_in() {
        let longer = ControlMessage::Deadlines(KillDeadlines {
            // Both have the bytes of other messages in them.
            term_at: BootInstant::of_nanos(u64::from_le_bytes(*b"EKLEKLEK")),
            kill_at: BootInstant::of_nanos(u64::from_le_bytes(*b"LLLLKKKK")),
        });
        let sent = [longer, ControlMessage::End, longer, ControlMessage::Kill];
        let bytes: Vec<u8> = sent.iter().flat_map(|message| message.bytes()).collect();
        for piece in 1..=bytes.len() {
            let mut control_reader = ControlReader::default();
            let received: Vec<ControlMessage> = bytes
                .chunks(piece)
                .flat_map(|piece| control_reader.push(piece))
                .collect();
            assert_eq!(received, sent, "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_no_word_is_passed_over() {
        assert_eq!(ControlReader::default().push(b"?E"), [ControlMessage::End]);
    }
}
