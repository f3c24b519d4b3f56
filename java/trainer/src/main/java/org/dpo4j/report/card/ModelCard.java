package org.dpo4j.report.card;

import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.dpo4j.io.OutputFile;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunEnd;
import org.dpo4j.report.RunListener;
import org.dpo4j.report.RunStart;
import org.jspecify.annotations.Nullable;

/**
 * Writes the model card, {@code README.md}, beside the model when the run ends. Its front matter is what the Hugging Face
 * hub reads. A README.md that a person wrote is kept: only a card that has the line of this class is replaced.
 */
public final class ModelCard implements RunListener {
    private static final String FILE = "README.md";
    private static final String MARK =
            "<!-- dpo4j wrote this card and replaces it after the next training. Delete this line to keep your own text. -->";

    /**
     * The directories of absolute paths, also in lists such as {@code a=/data/a.jsonl,b=/data/b.jsonl}. The card may be
     * published, and they are of no use to others.
     */
    private static final Pattern DIRECTORIES = Pattern.compile("(^|[=,+\"])/(?:[^/,+\"]*/)*");

    private final Map<String, Double> last = new LinkedHashMap<>();
    private @Nullable RunStart start;

    @Override
    public void started(RunStart start) {
        this.start = start;
        start.history().forEach(this::metrics);
    }

    @Override
    public void metrics(Metrics metrics) {
        last.putAll(metrics.values());
    }

    @Override
    public void ended(RunEnd end) {
        RunStart run = start;
        if (run == null || end.step() <= 0 || !hasModel(run) || hasOwnCard(run.directory())) {
            return;
        }
        String card = new FrontMatter(run).text() + MARK + "\n" + body(run, end);
        OutputFile.write(run.directory().resolve(FILE), card.getBytes(StandardCharsets.UTF_8));
    }

    private static boolean hasModel(RunStart run) {
        return Files.exists(run.directory().resolve("config.json")) || FrontMatter.isOfAdapter(run);
    }

    private static boolean hasOwnCard(Path directory) {
        Path card = directory.resolve(FILE);
        try {
            return Files.exists(card) && !Files.readString(card).contains(MARK);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String body(RunStart run, RunEnd end) {
        Method method = Method.find(run.trainer());
        String name = FrontMatter.name(run);
        StringBuilder text = new StringBuilder("\n# Model card of " + plain(name) + "\n\n");
        text.append(FrontMatter.isOfAdapter(run) ? "This is a LoRA adapter of `" : "This model is `")
                .append(code(FrontMatter.baseName(run)))
                .append("`, trained by ")
                .append(method.words())
                .append(" with dpo4j: ")
                .append(String.format(Locale.ROOT, "%,d of %,d steps", end.step(), run.steps()))
                .append(".\n\n## Use\n\n```python\nfrom transformers import pipeline\n\ngenerator = pipeline(")
                .append("\"text-generation\", model=")
                .append(TextNode.valueOf(name))
                .append(
                        ")\nprint(generator(\"...\", max_new_tokens=128, return_full_text=False)[0][\"generated_text\"])\n```\n");
        if (FrontMatter.isOfAdapter(run)) {
            text.append("\nInstall `peft` too: transformers then loads the base model and the adapter.\n");
        }
        text.append("\n## Results\n\nThe last value of each metric; `report.html` has all of them.\n\n");
        text.append("| metric | value |\n| --- | --- |\n");
        last.forEach((metric, value) -> text.append("| `")
                .append(code(metric))
                .append("` | ")
                .append(number(value))
                .append(" |\n"));
        text.append("\n## Training\n\n| option | value |\n| --- | --- |\n");
        run.options().forEach((option, value) -> {
            if (!option.equals("output_dir")) {
                text.append("| `")
                        .append(option)
                        .append("` | `")
                        .append(code(DIRECTORIES.matcher(value).replaceAll("$1")))
                        .append("` |\n");
            }
        });
        return text.append(method.citation()).toString();
    }

    private static String number(double value) {
        boolean isWhole = value == Math.rint(value) && Math.abs(value) < 1e15;
        return isWhole ? Long.toString((long) value) : String.format(Locale.ROOT, "%.4g", value);
    }

    /** Text for a table or a heading of Markdown. */
    private static String plain(String text) {
        return text.replaceAll("[\\r\\n|<>`]", " ");
    }

    /** Text between backticks in a cell. */
    private static String code(String text) {
        return text.replaceAll("[\\r\\n`]", " ").replace("|", "\\|");
    }
}
