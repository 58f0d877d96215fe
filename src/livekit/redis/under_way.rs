//! Which of the readings that got no answer held up the others: Redis answers in the order in which it is asked.

use std::collections::BTreeSet;

/// The readings that have no answer.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    connection: u64,
    next: u64,
    unanswered: BTreeSet<Asked>,
}

/// When a reading was asked for: on which connection, and after which others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    connection: u64,
    number: u64,
}

impl UnderWay {
    /// A reading begins.
    pub fn begin(&mut self) -> Asked {
        self.next += 1;
        let asked = Asked { connection: self.connection, number: self.next };
        self.unanswered.insert(asked);
        asked
    }

    pub fn answered(&mut self, asked: Asked) {
        self.unanswered.remove(&asked);
    }

    /// Whether everything that was asked before this on the same connection was answered.
    pub fn is_first(&self, asked: Asked) -> bool {
        let all = Asked { connection: asked.connection, number: 0 };
        self.unanswered.range(all..).next() == Some(&asked)
    }

    /// There is another connection. Readings of the last one may still be waited for.
    pub fn reconnected(&mut self) {
        self.unanswered.retain(|asked| asked.connection == self.connection);
        self.connection += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_without_an_answer_held_up_those_behind_it() {
        let mut under_way = UnderWay::default();
        let [small, large, behind] = [(); 3].map(|()| under_way.begin());
        under_way.answered(small);
        assert!(under_way.is_first(large) && !under_way.is_first(behind));
        under_way.reconnected();
        let next = under_way.begin();
        assert!(under_way.is_first(next));
        assert!(under_way.is_first(large) && !under_way.is_first(behind), "it is still waited for");
        under_way.reconnected();
        assert_eq!(under_way.unanswered.len(), 1);
    }
}
