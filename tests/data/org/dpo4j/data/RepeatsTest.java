package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.data.TestData.ids;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.dpo4j.data.store.SeenRows;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rows that say the same as an earlier one, or the opposite, are counted and, on request, left out. */
class RepeatsTest {
    private static final String A_OVER_B = ids("[2,3]", "[4]", "[5]");
    private static final String B_OVER_A = ids("[2,3]", "[5]", "[4]");
    private static final String OTHER_PROMPT = ids("[2]", "[5]", "[4]");
    private static final String OTHER_BORDER = ids("[2]", "[3,4]", "[3,5]");

    @TempDir
    Path directory;

    private Dataset<PreferencePair> pairs(RepeatOptions repeats, String... rows) {
        Path file = TestData.write(directory, "rows.jsonl", String.join("\n", rows));
        return Dataset.pairs(file, LetterTokenizer.options(null, Truncation.NONE, repeats, OnBadRow.STOP, null));
    }

    private static List<Integer> numbers(Dataset<PreferencePair> pairs) {
        return pairs.rows().stream().map(PreferencePair::row).toList();
    }

    @Test
    void repeatsAndContradictionsAreCounted() {
        Dataset<PreferencePair> pairs =
                pairs(RepeatOptions.NONE, A_OVER_B, OTHER_PROMPT, A_OVER_B, B_OVER_A, OTHER_BORDER, B_OVER_A, A_OVER_B);
        assertThat(pairs.rows()).hasSize(7);
        assertThat(pairs.report().table())
                .containsExactly(
                        "7 rows",
                        "contradicts another row  3  42.9 %  rows.jsonl line 4, 6, 7",
                        "same as an earlier row   3  42.9 %  rows.jsonl line 3, 6, 7");
    }

    @Test
    void repeatsAreLeftOutOnRequest() {
        Dataset<PreferencePair> pairs =
                pairs(new RepeatOptions(true, false), A_OVER_B, A_OVER_B, OTHER_PROMPT, B_OVER_A, B_OVER_A);
        assertThat(numbers(pairs)).containsExactly(1, 3, 4);
        assertThat(pairs.report().table())
                .containsExactly(
                        "3 rows; skipped 2: same as an earlier row 2",
                        "left out: same as an earlier row  2  40.0 %  rows.jsonl line 2, 5",
                        "contradicts another row           1  20.0 %  rows.jsonl line 4");
    }

    /** Neither of two contradictory rows is better, so both are left out, and every later row like them. */
    @Test
    void bothOfContradictoryRowsAreLeftOutOnRequest() {
        Dataset<PreferencePair> pairs = pairs(
                new RepeatOptions(false, true), A_OVER_B, OTHER_PROMPT, B_OVER_A, OTHER_BORDER, A_OVER_B, B_OVER_A);
        assertThat(numbers(pairs)).containsExactly(2, 4);
        assertThat(pairs.report().toString()).isEqualTo("2 rows; skipped 4: contradicts another row 4");
    }

    /** As in TRL they are trained on, unless they are not wanted. */
    @Test
    void pairsWhoseChosenIsRejectedAreCountedAndLeftOutOnRequest() {
        String same = ids("[2]", "[3]", "[3]");
        Dataset<PreferencePair> pairs = pairs(RepeatOptions.NONE, A_OVER_B, same, same);
        assertThat(numbers(pairs)).containsExactly(1, 2, 3);
        assertThat(pairs.report().table())
                .containsExactly(
                        "3 rows",
                        "identical sides         2  66.7 %  rows.jsonl line 2, 3",
                        "same as an earlier row  1  33.3 %  rows.jsonl line 3");
        Dataset<PreferencePair> without = pairs(new RepeatOptions(false, true), A_OVER_B, same, same);
        assertThat(numbers(without)).containsExactly(1);
        assertThat(without.report().table())
                .containsExactly(
                        "1 rows; skipped 2: identical sides 2",
                        "left out: identical sides  2  66.7 %  rows.jsonl line 2, 3");
    }

    /** Transcripts and conversations end their prompt before the last answer, so they need not differ. */
    @Test
    void transcriptsAndConversationsMayBeTheSame() {
        String transcript = "{\"chosen\":\"\\n\\nAssistant:d\",\"rejected\":\"\\n\\nAssistant:d\"}";
        LetterTokenizer.write(directory, true);
        try (Tokenizer tokenizer = Tokenizer.load(directory, LetterTokenizer.SIZE)) {
            Dataset<PreferencePair> pairs = Dataset.pairs(
                    TestData.write(directory, "rows.jsonl", transcript),
                    LetterTokenizer.options(tokenizer, OnBadRow.STOP));
            assertThat(pairs.rows().get(0).chosen())
                    .isEqualTo(pairs.rows().get(0).rejected())
                    .startsWith(LetterTokenizer.D);
            assertThat(pairs.report().noted()).containsOnlyKeys("identical sides");
        }
    }

    /** The tokens of these differ, but not what their arrays hold one after the other. */
    @Test
    void theBorderOfThePromptCounts() {
        Dataset<PreferencePair> pairs = pairs(
                new RepeatOptions(true, true),
                ids("[2]", "[3,4]", "[5]"),
                ids("[2,3]", "[4]", "[5]"),
                ids("[2]", "[3]", "[4,5]"));
        assertThat(pairs.rows()).hasSize(3);
    }

    @Test
    void repeatedSequencesAreCounted() {
        Path file = TestData.write(directory, "rows.jsonl", "{\"ids\":[2,3]}\n{\"ids\":[2,4]}\n{\"ids\":[2,3]}");
        Dataset<Sequence> sequences = Dataset.sequences(file, LetterTokenizer.options(null, OnBadRow.STOP));
        assertThat(sequences.report().table())
                .containsExactly("3 rows", "same as an earlier row  1  33.3 %  rows.jsonl line 3");
    }

    /** A completion judged good and bad is a contradiction; one judged good twice is a repeat. */
    @Test
    void judgementsContradictEachOther() {
        int[] prompt = {2};
        int[] completion = {3, 4};
        Fingerprint good = Fingerprint.judged(prompt, completion, true);
        Fingerprint bad = Fingerprint.judged(prompt, completion, false);
        assertThat(good).isEqualTo(Fingerprint.judged(prompt, completion, true)).isNotEqualTo(bad);
        assertThat(bad)
                .isEqualTo(new Fingerprint(good.oppositeHigh(), good.oppositeLow(), good.high(), good.low(), true));
        assertThat(good.hasOpposite()).isTrue();
    }

    /** Against java.util.HashMap, with colliding slots, zeros and negative numbers; and the memory of a million rows. */
    @Test
    void theTableFindsWhatWasAdded() {
        SeenRows seen = new SeenRows();
        Map<List<Long>, Integer> expected = new HashMap<>();
        List<long[]> keys = new ArrayList<>();
        Random random = new Random(3);
        for (int i = 0; i < 20_000; i++) {
            long high = i % 3 == 0 ? random.nextInt(50) - 25 : random.nextLong();
            keys.add(new long[] {high, i % 5 == 0 ? 0 : random.nextInt(1000)});
        }
        for (long[] key : keys) {
            Integer before = expected.get(List.of(key[0], key[1]));
            assertThat(seen.find(key[0], key[1])).isEqualTo(before == null ? SeenRows.NONE : before);
            if (before == null) {
                seen.add(key[0], key[1], expected.size());
                expected.put(List.of(key[0], key[1]), expected.size());
            }
        }
        assertThat(seen.bytes()).isLessThanOrEqualTo(35L * expected.size());
    }
}
