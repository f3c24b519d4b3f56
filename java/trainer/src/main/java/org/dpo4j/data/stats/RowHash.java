package org.dpo4j.data.stats;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.dpo4j.data.row.Content;
import org.dpo4j.data.row.Example;
import org.dpo4j.io.Sha256;

/** Hashes of what rows say, before tokenisation, by SHA-256. */
public final class RowHash {
    private static final double TWO_TO_63 = 0x1p63;

    private RowHash() {}

    /** The rows that were seen, to find those that say the same as an earlier one. */
    public static final class Seen {
        private final Set<UUID> hashes = new HashSet<>();

        /** Adds the examples of a row. Returns whether every one of them was there already. */
        public boolean add(ReadRow row) {
            boolean isNew = false;
            for (Example example : row.examples()) {
                String label = example instanceof Example.Judged judged ? Boolean.toString(judged.label()) : "";
                ByteBuffer hash = hash(prompt(example.content()), completions(example.content()), label);
                isNew |= hashes.add(new UUID(hash.getLong(), hash.getLong()));
            }
            return !isNew;
        }
    }

    /**
     * Whether the row belongs to the first part of a split. It depends only on the seed and the prompt, so rows with the same
     * prompt are in the same part, whatever their order.
     *
     * @param share of the prompts in the first part
     */
    public static boolean isInFirstPart(ReadRow row, double share, long seed) {
        Content content = row.examples().get(0).content();
        String prompt = content.isWhole() ? completions(content) : prompt(content);
        long bits = hash(Long.toString(seed), prompt).getLong() >>> 1;
        return bits / TWO_TO_63 < share;
    }

    /** Whether the two completions of a pair are the same. */
    static boolean isIdentical(Content content) {
        List<String> texts = texts(content);
        return texts.get(0).equals(texts.get(1));
    }

    private static String prompt(Content content) {
        if (content instanceof Content.Text text) {
            return String.valueOf(text.prompt());
        }
        if (content instanceof Content.Ids ids) {
            return Arrays.toString(ids.prompt());
        }
        return content instanceof Content.Messages messages
                ? String.valueOf(messages.prompt()) + variables(messages.variables())
                : "";
    }

    private static String variables(Content.ChatVariables variables) {
        return variables.tools() + " " + variables.documents() + " " + variables.others();
    }

    private static String completions(Content content) {
        StringBuilder all = new StringBuilder();
        texts(content).forEach(text -> all.append(text.length()).append(' ').append(text));
        return all.toString();
    }

    private static List<String> texts(Content content) {
        if (content instanceof Content.Text text) {
            return text.completions();
        }
        if (content instanceof Content.Ids ids) {
            return ids.completions().stream().map(Arrays::toString).toList();
        }
        return content instanceof Content.Messages messages
                ? messages.completions().stream().map(JsonNode::toString).toList()
                : List.of();
    }

    private static ByteBuffer hash(String... parts) {
        MessageDigest digest = Sha256.digest();
        for (String part : parts) {
            byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
            digest.update(
                    ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).flip());
            digest.update(bytes);
        }
        return ByteBuffer.wrap(digest.digest());
    }
}
