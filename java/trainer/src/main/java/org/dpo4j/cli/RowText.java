package org.dpo4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.cli.MarkedTokens.Mark;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.Truncation;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.row.Content;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.row.MissingColumns;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.source.Rows;
import org.dpo4j.data.stats.ReadRow;
import org.dpo4j.io.OneLine;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.Console;
import org.jspecify.annotations.Nullable;

/**
 * Shows one row: its text, and its tokens, marked as learnt, only read, or cut. On a terminal these are green, grey and red;
 * elsewhere their lines begin with the mark.
 */
final class RowText {
    private static final String PLAIN = "\u001b[0m";

    private final @Nullable Encoder encoder;
    private final @Nullable Tokenizer tokenizer;
    private final Truncation truncation;
    private final ColumnMap columns;
    private final PrintStream out;
    private final boolean isColoured;

    private RowText(ReadOptions options, PrintStream out) {
        this.tokenizer = options.tokenizer();
        this.encoder = tokenizer == null ? null : new Encoder(tokenizer, options.vocabularySize(), options.rows());
        this.truncation = options.truncation();
        this.columns = options.rows().columns();
        this.out = out;
        this.isColoured = Console.isStandardTerminal();
    }

    /** Prints the row whose line or element has this number. */
    static void print(RowSource source, int number, ReadOptions options, PrintStream out) {
        RowText text = new RowText(options, out);
        MissingColumns missing = MissingColumns.readBy(text.columns);
        int last = 0;
        try (Rows rows = source.open()) {
            while (true) {
                boolean isWanted = false;
                try {
                    Rows.Row row = rows.next();
                    if (row == null) {
                        throw new Dpo4jException("row " + number + " is not in " + source.name()
                                + ": its last row has number " + last + "; give another row");
                    }
                    missing.add(row.values());
                    last = row.number();
                    isWanted = last == number;
                    if (isWanted) {
                        text.print(ReadRow.read(rows.place(number), row.values(), text.columns));
                        if (!missing.note().isEmpty()) {
                            Output.notice(rows.place(number) + missing.note());
                        }
                        return;
                    }
                } catch (BadRow bad) {
                    if (isWanted || rows.number() == number) {
                        throw ReadRow.error(rows.place(number), bad.getMessage() + missing.note());
                    }
                }
            }
        }
    }

    private void print(ReadRow row) throws BadRow {
        out.println(row.place() + ": " + row.format() + ", " + row.format().kind());
        int number = 0;
        for (Example example : row.examples()) {
            number++;
            if (row.examples().size() > 1) {
                out.println();
                out.println("pair " + number + " of " + row.examples().size() + ", weight " + example.weight());
            }
            text(example.content());
            if (encoder != null && example.content() instanceof Content.Messages messages) {
                out.println();
                out.println("as the chat template renders it:");
                text(encoder.rendered(messages));
            }
            if (encoder != null) {
                tokens(encoder.encode(example.content()));
            }
        }
    }

    private void text(Content content) {
        if (content instanceof Content.Text text) {
            part("prompt", text.prompt());
            for (int i = 0; i < text.completions().size(); i++) {
                part(
                        Content.completionName(i, text.completions().size()),
                        text.completions().get(i));
            }
        } else if (content instanceof Content.Messages messages) {
            messages("prompt", messages.prompt());
            for (int i = 0; i < messages.completions().size(); i++) {
                messages(
                        Content.completionName(i, messages.completions().size()),
                        messages.completions().get(i));
            }
        }
    }

    private void part(String name, @Nullable String text) {
        if (text != null) {
            out.println();
            out.println("--- " + name);
            text.lines().map(OneLine::visible).forEach(out::println);
        }
    }

    private void messages(String name, @Nullable JsonNode messages) {
        if (messages != null) {
            for (JsonNode message : messages) {
                part(
                        name + ": " + message.path("role").asText(),
                        message.path("content").asText());
            }
        }
    }

    private void tokens(Encoder.Joint joint) {
        int count = joint.completions().length;
        List<String> names = IntStream.range(0, count)
                .mapToObj(i -> Content.completionName(i, count))
                .toList();
        List<Integer> lengths =
                Arrays.stream(joint.completions()).map(each -> each.length).toList();
        List<Truncation.Kept> kept;
        try {
            kept = truncation.keep(joint.prompt().length, lengths, names);
        } catch (BadRow bad) {
            out.println();
            out.println("left out: " + bad.getMessage());
            kept = lengths.stream()
                    .map(length -> new Truncation.Kept(0, joint.prompt().length, 0, length))
                    .toList();
        }
        for (int i = 0; i < count; i++) {
            tokens(names.get(i), MarkedTokens.of(joint, i, kept.get(i), truncation));
        }
    }

    private void tokens(String name, MarkedTokens tokens) {
        int cut = tokens.count(Mark.CUT);
        out.println();
        out.println("--- tokens of " + name + ": " + tokens.count(Mark.READ) + " read, " + tokens.count(Mark.LEARNT)
                + " learnt" + (cut > 0 ? ", " + cut + " cut" : ""));
        tokens.forEachRun(this::line);
    }

    private void line(Mark mark, int[] ids) {
        StringBuilder line = new StringBuilder(isColoured ? mark.colour : mark + ": ");
        for (int id : ids) {
            line.append('|').append(token(id));
        }
        out.println(line.append('|').append(isColoured ? PLAIN : ""));
    }

    /** The text of a token; its id if it has none, as special tokens. */
    private String token(int id) {
        String text = tokenizer == null ? "" : tokenizer.decode(new int[] {id});
        return text.isEmpty() ? "<" + id + ">" : OneLine.visible(text.replace("\n", "\\n"));
    }
}
