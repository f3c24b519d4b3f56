package org.dpo4j.model;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.ModelConfig;

/** The error for weights that do not fit {@code config.json}. */
final class WeightsMismatch {
    private static final Pattern NUMBER = Pattern.compile("\\.(\\d+)\\.");
    private static final int MAX_SHOWN = 20;

    private WeightsMismatch() {}

    /**
     * @param stored names of all tensors of the files
     * @param wrong what is wrong with each tensor, with its name; not empty
     * @param headName the name of the head's tensor
     */
    static Dpo4jException error(
            Path directory, ModelConfig config, Set<String> stored, List<String> wrong, String headName) {
        return new Dpo4jException(directory + ": config.json and the weights disagree: " + layers(config, stored)
                + summary(wrong) + head(config, wrong, headName) + "; check that both belong to one model");
    }

    private static String layers(ModelConfig config, Set<String> stored) {
        int expected = config.architecture().layerCount();
        int found = stored.stream()
                .map(NUMBER::matcher)
                .filter(Matcher::find)
                .mapToInt(name -> name.group(1).length() > 6 ? 0 : Integer.parseInt(name.group(1)) + 1)
                .max()
                .orElse(0);
        return found == 0 || found == expected
                ? ""
                : "the files have " + found + " layers, config.json says " + expected + ": ";
    }

    private static String head(ModelConfig config, List<String> wrong, String headName) {
        return !config.architecture().isHeadTied() && wrong.equals(List.of(headName + " is missing"))
                ? "; if the embedding is the LM head too, set tie_word_embeddings to true"
                : "";
    }

    private static String summary(List<String> wrong) {
        int shown = Math.min(wrong.size(), MAX_SHOWN);
        String list = String.join(", ", wrong.subList(0, shown));
        return shown == wrong.size() ? list : list + ", and " + (wrong.size() - shown) + " more";
    }
}
