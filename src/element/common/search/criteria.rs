//! `AdvancedCriteria`: a boolean expression over the ids of search pairs, `1 AND (2 OR NOT 3)` (1.3).

/// Words and parentheses of one expression.
const TOKENS_MAX: usize = 128;
/// Nested parentheses and negations.
const DEPTH_MAX: usize = 16;

/// An expression over things of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term<T> {
    Is(T),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

impl<T> Term<T> {
    /// Whether the expression is true where `holds` says which of its things are.
    pub(super) fn holds(&self, holds: &impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Is(thing) => holds(thing),
            Self::All(terms) => terms.iter().all(|term| term.holds(holds)),
            Self::Any(terms) => terms.iter().any(|term| term.holds(holds)),
            Self::Not(term) => !term.holds(holds),
        }
    }

    /// The same expression over other things; `None`: there is none for one of them.
    pub(super) fn of<U>(&self, other: &impl Fn(&T) -> Option<U>) -> Option<Term<U>> {
        let all = |terms: &[Self]| terms.iter().map(|term| term.of(other)).collect::<Option<Vec<_>>>();
        Some(match self {
            Self::Is(thing) => Term::Is(other(thing)?),
            Self::All(terms) => Term::All(all(terms)?),
            Self::Any(terms) => Term::Any(all(terms)?),
            Self::Not(term) => Term::Not(Box::new(term.of(other)?)),
        })
    }

    /// Whether any of its things is such a one.
    pub(super) fn mentions(&self, such: &impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Is(thing) => such(thing),
            Self::All(terms) | Self::Any(terms) => terms.iter().any(|term| term.mentions(such)),
            Self::Not(term) => term.mentions(such),
        }
    }
}

/// Reads an expression; `named` gives what an id stands for. `None`: it makes no sense, or is too large. AND
/// binds closer than OR, words count in any case.
pub(super) fn read<T>(text: &str, named: impl Fn(u32) -> Option<T>) -> Option<Term<T>> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().take(TOKENS_MAX + 1).collect();
    if tokens.len() > TOKENS_MAX {
        return None;
    }
    let mut reader = Reader { tokens: &tokens, named };
    let term = reader.any(DEPTH_MAX)?;
    reader.tokens.is_empty().then_some(term)
}

struct Reader<'t, F> {
    tokens: &'t [&'t str],
    named: F,
}

impl<T, F: Fn(u32) -> Option<T>> Reader<'_, F> {
    fn takes(&mut self, word: &str) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if first.eq_ignore_ascii_case(word) => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn any(&mut self, depth: usize) -> Option<Term<T>> {
        let mut terms = vec![self.all(depth)?];
        while self.takes("OR") {
            terms.push(self.all(depth)?);
        }
        Some(if terms.len() == 1 { terms.pop()? } else { Term::Any(terms) })
    }

    fn all(&mut self, depth: usize) -> Option<Term<T>> {
        let mut terms = vec![self.one(depth)?];
        while self.takes("AND") {
            terms.push(self.one(depth)?);
        }
        Some(if terms.len() == 1 { terms.pop()? } else { Term::All(terms) })
    }

    fn one(&mut self, depth: usize) -> Option<Term<T>> {
        let depth = depth.checked_sub(1)?;
        if self.takes("NOT") {
            return Some(Term::Not(Box::new(self.one(depth)?)));
        }
        if self.takes("(") {
            let term = self.any(depth)?;
            return self.takes(")").then_some(term);
        }
        let (first, rest) = self.tokens.split_first()?;
        let term = (self.named)(first.parse().ok()?)?;
        self.tokens = rest;
        Some(Term::Is(term))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, true_ones: &[u32]) -> Option<bool> {
        let term = read(text, |id| (id < 10).then_some(id))?;
        Some(term.holds(&|id| true_ones.contains(id)))
    }

    #[test]
    fn and_binds_closer_than_or_and_parentheses_closest() {
        assert_eq!(holds("1 AND 2 OR 3", &[3]), Some(true));
        assert_eq!(holds("1 and (2 or 3)", &[3]), Some(false));
        assert_eq!(holds("1 AND(2 OR 3)", &[1, 3]), Some(true));
        assert_eq!(holds("NOT 1 AND NOT (2 OR 3)", &[]), Some(true));
    }

    #[test]
    fn what_makes_no_sense_is_refused_within_bounds() {
        for text in ["", "1 AND", "1 2", "(1", "1)", "AND 1", "12", "x", "1 OR OR 2"] {
            assert_eq!(holds(text, &[]), None, "{text}");
        }
        let deep = format!("{}1{}", "(".repeat(50), ")".repeat(50));
        assert_eq!(holds(&deep, &[1]), None);
        assert_eq!(holds(&"NOT ".repeat(200), &[1]), None);
    }
}
