//! Samples and what is said about them: medians, because one disturbed round must not count.

/// Samples of one thing and of its reference, taken in turns.
#[derive(Default)]
pub(crate) struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    pub(crate) fn push(&mut self, value: f64, reference: f64) {
        self.0.push((value, reference));
    }

    pub(crate) fn value(&self) -> f64 {
        median(self.0.iter().map(|pair| pair.0).collect())
    }

    pub(crate) fn reference(&self) -> f64 {
        median(self.0.iter().map(|pair| pair.1).collect())
    }

    /// The median of the rounds' own ratios: what slows a whole round down slows both of its halves.
    pub(crate) fn ratio(&self) -> f64 {
        median(self.ratios())
    }

    /// The quartiles of the ratios, as a measure of noise.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let mut ratios = self.ratios();
        ratios.sort_by(f64::total_cmp);
        let at = |part: usize| ratios.get((ratios.len().saturating_sub(1)) * part / 4).copied().unwrap_or(f64::NAN);
        (at(1), at(3))
    }

    fn ratios(&self) -> Vec<f64> {
        self.0.iter().map(|(value, reference)| value / reference).collect()
    }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    match samples.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => samples[length / 2],
        length => f64::midpoint(samples[length / 2 - 1], samples[length / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disturbed_round_does_not_count() {
        let mut pairs = Pairs::default();
        for (value, reference) in [(9.0, 10.0), (9.0, 10.0), (1.0, 10.0)] {
            pairs.push(value, reference);
        }
        assert_eq!((pairs.value(), pairs.reference(), pairs.ratio()), (9.0, 10.0, 0.9));
    }
}
