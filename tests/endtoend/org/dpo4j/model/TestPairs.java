package org.dpo4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.data.PreferencePair;

/** Pairs of golden files. */
final class TestPairs {
    private TestPairs() {}

    static List<PreferencePair> read(JsonNode rows) {
        List<PreferencePair> pairs = new ArrayList<>();
        for (JsonNode row : rows) {
            pairs.add(new PreferencePair(
                    0,
                    TestFiles.ints(row.get("prompt_ids")),
                    TestFiles.ints(row.get("chosen_ids")),
                    TestFiles.ints(row.get("rejected_ids"))));
        }
        return pairs;
    }
}
