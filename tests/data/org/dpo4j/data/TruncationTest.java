package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.model.TestFiles;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What TRL 1.16, TRL 0.28 and LLaMA-Factory keep of 2,000 rows: golden/truncation.py. */
class TruncationTest {
    @Test
    void peersKeepTheSameTokens() throws Exception {
        TreeSet<String> seen = new TreeSet<>();
        int leftOut = 0;
        for (JsonNode each : TestFiles.json(TestFiles.golden("truncation.json"))) {
            List<int[]> expected = sequences(each);
            assertThat(kept(each))
                    .as(each.toString())
                    .usingRecursiveComparison()
                    .isEqualTo(expected);
            seen.add(each.get("kind").textValue() + " " + each.get("mode").textValue());
            leftOut += expected.isEmpty() ? 1 : 0;
        }
        assertThat(leftOut).isGreaterThan(100);
        assertThat(seen)
                .containsExactly(
                        "pair keep_end",
                        "pair keep_start",
                        "pair proportional",
                        "sequence keep_end",
                        "sequence keep_start",
                        "unpaired keep_start");
    }

    /** The ids of each sequence, then the number of its targets. */
    private static List<int[]> sequences(JsonNode row) {
        List<int[]> sequences = new ArrayList<>();
        for (JsonNode kept : row.get("kept")) {
            int[] bounds = TestFiles.ints(kept);
            int base = 100_000 * (sequences.size() + 1);
            sequences.add(IntStream.concat(
                            IntStream.concat(
                                    IntStream.range(bounds[0], bounds[1]),
                                    IntStream.range(base + bounds[2], base + bounds[3])),
                            IntStream.of(bounds[4]))
                    .toArray());
        }
        return sequences;
    }

    private static List<int[]> kept(JsonNode row) {
        int[] lengths = TestFiles.ints(row.get("lengths"));
        Truncation truncation = new Truncation(
                Arrays.stream(TruncationMode.values())
                        .filter(mode -> mode.toString().equals(row.get("mode").textValue()))
                        .findFirst()
                        .orElseThrow(),
                integer(row, "max_length"),
                integer(row, "max_prompt_length"),
                integer(row, "max_completion_length"),
                null);
        List<Integer> completions = Arrays.stream(lengths).skip(1).boxed().toList();
        int[] prompt = IntStream.range(0, lengths[0]).toArray();
        List<int[]> sequences = new ArrayList<>();
        try {
            for (Truncation.Kept kept : truncation.keep(lengths[0], completions, List.of("chosen", "rejected"))) {
                int base = 100_000 * (sequences.size() + 1);
                int[] completion = IntStream.range(base, base + completions.get(sequences.size()))
                        .toArray();
                int[] targets = truncation.completion(kept, completion);
                sequences.add(IntStream.concat(
                                IntStream.concat(
                                        Arrays.stream(kept.prompt(prompt, completion)), Arrays.stream(targets)),
                                IntStream.of(targets.length))
                        .toArray());
            }
        } catch (BadRow bad) {
            assertThat(bad.isByOption()).isTrue();
            return List.of();
        }
        return sequences;
    }

    private static @Nullable Integer integer(JsonNode row, String key) {
        return row.has(key) ? row.get(key).intValue() : null;
    }
}
