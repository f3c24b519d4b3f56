package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.model.TestFiles;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Anthropic's helpful transcripts. Expected counts are those of their README. */
class RealPairsTest {

    private static Dataset<PreferencePair> read(String name, @Nullable Integer maxLength) {
        Path file = TestFiles.real("preference/" + name);
        try (Tokenizer tokenizer = Tokenizer.load(TestFiles.real("models/stories260K/hf"), 512)) {
            return Dataset.pairs(
                    file,
                    new ReadOptions(tokenizer, 512, Truncation.to(maxLength, TruncationMode.RAISE), OnBadRow.SKIP));
        }
    }

    /** 2,354 transcripts, of which 6 have no common prompt or an empty side, and 2 have identical sides. */
    @Test
    void transcriptsAsPublished() {
        DatasetReport report =
                read("hh-rlhf/original/helpful-base.test.jsonl.gz", null).report();
        assertThat(report.used()).isEqualTo(2348);
        assertThat(report)
                .asString()
                .startsWith("2348 rows")
                .endsWith("; skipped 6: no shared prompt 2, empty completion 4");
        assertThat(report.noted().get("identical sides")).isNotNull().returns(2, RowCount::rows);
    }

    /** A file of transcripts, and one whose prompts were split off by another program. */
    @Test
    void transcriptsAndSplitPromptsGiveTheSamePairs() {
        List<String> transcripts = numbers(read("hh-rlhf/hh-helpful-base.test.jsonl", null));
        List<String> strings = numbers(read("hh-rlhf/prompt-strings.test.jsonl", null));
        assertThat(transcripts).hasSize(500).isEqualTo(strings);
    }

    /** Row and ids of each pair. AssertJ compares records with arrays element by element, which takes seconds. */
    private static List<String> numbers(Dataset<PreferencePair> pairs) {
        return pairs.rows().stream()
                .map(pair -> pair.row()
                        + Arrays.toString(pair.prompt())
                        + Arrays.toString(pair.chosen())
                        + Arrays.toString(pair.rejected()))
                .toList();
    }

    /**
     * 1,408 of all 2,346 fit 512 tokens. That count is without EOS, so here a pair of exactly 512 does not fit.
     */
    @Test
    void rowsThatFitTheModelAreCounted() {
        int used = 0;
        for (String split : List.of("test", "train")) {
            DatasetReport report =
                    read("hh-rlhf/prompt-strings." + split + ".jsonl", 512).report();
            assertThat(report.cutRows()).isZero();
            used += report.used();
        }
        assertThat(used).isBetween(1395, 1408);
    }
}
