//! Every choice of a history, from one seed: drawn, written down, and so replayable and shrinkable. Zero is always the
//! tame choice, so a history becomes simpler by turning choices into zeros.

/// The choices of one history.
#[derive(Debug, Clone)]
pub(super) struct ChoiceTape {
    tape: Vec<u32>,
    next: usize,
    /// Where new choices come from; a replay has none and goes on with zeros.
    random: Option<u64>,
}

impl ChoiceTape {
    pub(super) fn of_seed(seed: u64) -> ChoiceTape {
        ChoiceTape {
            tape: Vec::new(),
            next: 0,
            random: Some(seed),
        }
    }

    pub(super) fn of_tape(tape: Vec<u32>) -> ChoiceTape {
        ChoiceTape {
            tape,
            next: 0,
            random: None,
        }
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let drawn = match (self.tape.get(self.next), &mut self.random) {
            (Some(drawn), _) => *drawn,
            (None, Some(random)) => {
                *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = *random;
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                (mixed ^ (mixed >> 31)) as u32
            }
            (None, None) => 0,
        };
        let chosen = drawn % bound.max(1);
        match self.tape.get_mut(self.next) {
            Some(place) => *place = chosen,
            None => self.tape.push(chosen),
        }
        self.next += 1;
        chosen
    }

    /// Once in `in_how_many` times; never in a tame history.
    pub(super) fn once_in(&mut self, in_how_many: u32) -> bool {
        self.below(in_how_many) == in_how_many - 1
    }

    pub(super) fn ms(&mut self, from: u64, to: u64) -> u64 {
        let span = u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);
        from + u64::from(self.below(span + 1))
    }

    pub(super) fn into_tape(mut self) -> Vec<u32> {
        self.tape.truncate(self.next);
        self.tape
    }
}

/// The simplest tape that still fails, as far as it is found in a bounded number of tries.
pub(super) fn shrunk(mut tape: Vec<u32>, fails: impl Fn(&[u32]) -> bool) -> Vec<u32> {
    const TRIES_MAX: usize = 3000;
    let mut tries = 0;
    let mut width = tape.len().max(1);
    while width > 0 && tries < TRIES_MAX {
        let mut start = 0;
        while start < tape.len() && tries < TRIES_MAX {
            let end = (start + width).min(tape.len());
            if tape[start..end].iter().any(|choice| *choice != 0) {
                let mut simpler = tape.clone();
                simpler[start..end].fill(0);
                tries += 1;
                if fails(&simpler) {
                    tape = simpler;
                }
            }
            start = end;
        }
        width /= 2;
    }
    tape
}
