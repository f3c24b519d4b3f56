package org.dpo4j.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.util.List;

/** Writes rewards as JSON lines, one per row. */
final class RewardLines {
    private static final JsonMapper JSON = new JsonMapper();

    private RewardLines() {}

    /** Writes the lines of all rows. {@code hasReference}: whether its log-probs are written. */
    static <T> void write(
            CompletionRows<T> kind, List<T> rows, Rewards rewards, boolean hasReference, PrintStream out) {
        List<String> sides = kind.sides();
        for (int i = 0; i < rows.size(); i++) {
            int first = i * sides.size();
            ObjectNode line = JSON.createObjectNode().put("row", kind.row().applyAsInt(rows.get(i)));
            for (int side = 0; side < sides.size(); side++) {
                line.put(sides.get(side) + "rewards", rewards.reward(first + side));
            }
            if (sides.size() == 2) {
                line.put("margins", rewards.reward(first) - rewards.reward(first + 1));
            }
            for (int side = 0; side < sides.size(); side++) {
                put(line, sides.get(side), rewards, first + side, hasReference);
            }
            out.println(line);
        }
    }

    private static void put(ObjectNode line, String side, Rewards rewards, int completion, boolean hasReference) {
        CompletionLogProbs policy = rewards.policy();
        line.put(side + "logps", policy.sums()[completion]);
        if (hasReference) {
            line.put("ref_" + side + "logps", rewards.reference().sums()[completion]);
        }
        line.put(side + "tokens", policy.tokenCounts()[completion]);
        if (!policy.tokens().isEmpty()) {
            ArrayNode values = line.putArray(side + "token_rewards");
            for (double reward : rewards.tokenRewards(completion)) {
                values.add(reward);
            }
        }
    }
}
