package org.dpo4j.export.tokenizer;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.dpo4j.io.gguf.GgufMetadata;

/**
 * The tokenizer.json of a SentencePiece tokenizer that merges characters, as Llama 2's. llama.cpp joins the pair whose
 * result has the highest score, so a token's score is the negative rank of its first merge.
 */
record SentencePieceTokens(TokenizerJson tokenizer) {
    private static final Pattern BYTE = Pattern.compile("<0x[0-9A-Fa-f]{2}>");

    /** The score of tokens that are no result of a merge, as in llama.cpp's files. */
    private static final float WITHOUT_MERGE = -1000;

    /** @param notices receives a line if llama.cpp may split a text in another way */
    void put(GgufMetadata metadata, TokenList tokens, List<String> notices) {
        boolean isPrefixed = SpacePrefix.isAdded(tokenizer);
        Map<String, Float> scores = scores();
        tokenizer.vocabulary().forEach((token, id) -> {
            TokenType type = BYTE.matcher(token).matches() ? TokenType.BYTE : TokenType.NORMAL;
            tokens.set(id, token, type, scores.getOrDefault(token, WITHOUT_MERGE));
        });
        tokenizer.added().forEach(token -> tokens.set(token.id(), token.text(), token.type(), WITHOUT_MERGE));
        metadata.putText("tokenizer.ggml.model", "llama");
        metadata.putText("tokenizer.ggml.pre", "default");
        tokens.put(metadata, true);
        if (!isPrefixed) {
            metadata.putFlag("tokenizer.ggml.add_space_prefix", false);
        }
        long other = otherMerges();
        if (other > 0) {
            notices.add(tokenizer.file().getFileName() + " was not made from a SentencePiece model: llama.cpp joins "
                    + other
                    + " pairs of tokens that its merges do not list, so it may split some texts in another way");
        }
    }

    private Map<String, Float> scores() {
        Map<String, Float> scores = new HashMap<>();
        List<Merge> merges = tokenizer.merges();
        for (int rank = 0; rank < merges.size(); rank++) {
            scores.putIfAbsent(merges.get(rank).joined(), (float) -rank);
        }
        return scores;
    }

    /** Number of pairs of tokens whose join is a token, but no merge of the file. */
    private long otherMerges() {
        Set<Merge> listed = new HashSet<>(tokenizer.merges());
        Map<String, Integer> known = tokenizer.vocabulary();
        Set<String> added = new HashSet<>();
        tokenizer.added().forEach(token -> added.add(token.content()));
        return known.keySet().stream()
                .filter(token -> !added.contains(token) && !BYTE.matcher(token).matches())
                .mapToLong(token -> token.codePoints().count() < 2 ? 0 : splits(token, known, listed))
                .sum();
    }

    private static long splits(String token, Map<String, Integer> known, Set<Merge> listed) {
        long count = 0;
        for (int at = 1; at < token.length(); at++) {
            Merge merge = new Merge(token.substring(0, at), token.substring(at));
            boolean isPossible = known.containsKey(merge.left()) && known.containsKey(merge.right());
            count += isPossible && !listed.contains(merge) ? 1 : 0;
        }
        return count;
    }
}
