package org.dpo4j.data;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.data.row.Content;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.MissingColumns;
import org.dpo4j.data.row.PromptRows;
import org.dpo4j.data.row.RowOptions;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowFiles;
import org.dpo4j.data.source.Rows;
import org.dpo4j.io.InputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * A prompt to continue.
 *
 * @param row line of the file, or element of a JSON array, counted from 1
 * @param ids at least one token; begins with BOS if the tokenizer adds it
 */
public record Prompt(int row, int[] ids) {

    /** A prompt from text, as row 1. */
    public static Prompt of(String text, @Nullable Tokenizer tokenizer) {
        try {
            return new Prompt(1, encode(text, tokenizer));
        } catch (BadRow bad) {
            throw new Dpo4jException(String.valueOf(bad.getMessage()), bad);
        }
    }

    /** Reads the prompt of every row of a file: text or ids. The report names the columns not used. */
    public static Dataset<Prompt> read(Path file, @Nullable Tokenizer tokenizer, int vocabularySize) {
        return read(file, tokenizer, vocabularySize, RowOptions.DEFAULT);
    }

    /** As above; messages are rendered by the templates of {@code options}, up to the header of the answer. */
    public static Dataset<Prompt> read(
            Path file, @Nullable Tokenizer tokenizer, int vocabularySize, RowOptions options) {
        Encoder encoder = new Encoder(tokenizer, vocabularySize, options);
        List<Prompt> prompts = new ArrayList<>();
        MissingColumns missing = MissingColumns.readBy(options.columns());
        Map<String, Integer> used = new LinkedHashMap<>();
        Map<String, Integer> notUsed = new LinkedHashMap<>();
        try (Rows rows = RowFiles.open(file)) {
            try {
                for (Rows.Row row = rows.next(); row != null; row = rows.next()) {
                    missing.add(row.values());
                    ObjectNode values = options.columns().apply(row.values());
                    PromptRows.Read read = PromptRows.read(values);
                    prompts.add(new Prompt(row.number(), ids(read.content(), encoder, tokenizer)));
                    values.properties().stream()
                            .filter(column -> !column.getValue().isNull())
                            .forEach(column -> (read.columns().contains(column.getKey()) ? used : notUsed)
                                    .merge(column.getKey(), 1, Integer::sum));
                }
            } catch (BadRow bad) {
                throw new Dpo4jException(rows.place(rows.number()) + ": " + bad.getMessage() + missing.note(), bad);
            }
        }
        missing.check(InputFile.name(file));
        if (prompts.isEmpty()) {
            throw new Dpo4jException(InputFile.name(file) + " holds no prompts");
        }
        return new Dataset<>(prompts, DatasetReport.whole(prompts.size(), used, notUsed));
    }

    private static int[] ids(Content content, Encoder encoder, @Nullable Tokenizer tokenizer) throws BadRow {
        return content instanceof Content.Text text
                ? encode(text.completions().get(0), tokenizer)
                : encoder.start(content);
    }

    private static int[] encode(String text, @Nullable Tokenizer tokenizer) throws BadRow {
        if (tokenizer == null) {
            throw new Dpo4jException(
                    "a prompt is text but the model directory has no tokenizer.json; add it, or give prompt_ids");
        }
        int[] ids;
        try {
            ids = tokenizer.encodeStart(text);
        } catch (Dpo4jException e) {
            throw new BadRow(BadRow.Reason.UNKNOWN_TEXT, String.valueOf(e.getMessage()));
        }
        if (ids.length == 0) {
            throw new BadRow(
                    BadRow.Reason.EMPTY_PROMPT,
                    "the prompt " + (text.isEmpty() ? "is empty" : "has no characters that the tokenizer knows")
                            + " and the tokenizer adds no BOS token; give at least one token");
        }
        return ids;
    }
}
