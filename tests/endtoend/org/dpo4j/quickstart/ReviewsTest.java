package org.dpo4j.quickstart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The generated reviews, and the lexicon that rates their sentiment. */
class ReviewsTest {
    private static final int COUNT = 2000;

    @Test
    void theSameSeedWritesTheSameReviews() {
        assertThat(reviews(1)).isEqualTo(reviews(1)).isNotEqualTo(reviews(2));
    }

    @Test
    void wordsAreInTheVocabularyAndReviewsFitTheModel() {
        Set<String> vocabulary = Set.copyOf(Reviews.vocabulary());
        for (String review : reviews(1)) {
            assertThat(vocabulary).contains(review.split(" "));
            assertThat(review.split(" ").length).isBetween(10, 100);
            assertThat(review).endsWith(" .").doesNotContain("<").doesNotContain(" a a");
        }
    }

    @Test
    void promptsAreNeutral() {
        Reviews reviews = new Reviews(1);
        for (int i = 0; i < COUNT; i++) {
            String prompt = reviews.nextPrompt();
            assertThat(Lexicon.sentiment(prompt)).as(prompt).isZero();
            assertThat(prompt.split(" ").length).isBetween(3, 5);
        }
    }

    /** Half of the reviews are positive and half negative: the mean sentiment is near 0, single sentiments are not. */
    @Test
    void theCorpusIsBalanced() {
        double[] sentiments =
                reviews(1).stream().mapToDouble(Lexicon::sentiment).toArray();
        // the mean of 2000 values of standard deviation at most 1 has standard deviation 0.022; four of them
        assertThat(Arrays.stream(sentiments).average().orElseThrow()).isCloseTo(0, within(0.09));
        assertThat(Arrays.stream(sentiments).map(Math::abs).average().orElseThrow())
                .isGreaterThan(0.5);
    }

    @Test
    void sentimentIsHalfTheMeanValueOfRatedWords() {
        assertThat(Lexicon.sentiment("the plot was wonderful .")).isEqualTo(1);
        assertThat(Lexicon.sentiment("the plot was wonderful and the cast was slow ."))
                .isEqualTo(0.25);
        assertThat(Lexicon.sentiment("what a disaster .")).isEqualTo(-1);
        assertThat(Lexicon.sentiment("we saw this film .")).isZero();
    }

    private static List<String> reviews(long seed) {
        Reviews reviews = new Reviews(seed);
        return Stream.generate(reviews::next).limit(COUNT).toList();
    }
}
