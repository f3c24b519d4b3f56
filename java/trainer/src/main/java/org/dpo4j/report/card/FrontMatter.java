package org.dpo4j.report.card;

import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.hub.HubCache;
import org.dpo4j.io.hub.HubRepository;
import org.dpo4j.io.hub.RepositoryKind;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.RunStart;
import org.jspecify.annotations.Nullable;

/**
 * The YAML at the start of a model card, with the keys of huggingface_hub's ModelCardData. A model or a data set is named
 * only if it is one of the hub: the hub refuses other names.
 */
record FrontMatter(RunStart run) {
    private static final Pattern ID = Pattern.compile("[A-Za-z0-9][\\w.-]*/[A-Za-z0-9][\\w.-]*");
    /** A directory of the hub's cache. */
    private static final Pattern CACHED = Pattern.compile(".*/models--([^/]+)--([^/]+)/snapshots/.*");

    private static final Pattern LICENSE = Pattern.compile("(?s)---\\R(?:.*?\\R)?license: *([\\w.-]+) *\\R.*?---\\R.*");

    private static final String ADAPTER = "adapter_config.json";

    /** Whether the trained model is a LoRA adapter, beside a base model that is not in its directory. */
    static boolean isOfAdapter(RunStart run) {
        return Files.exists(run.directory().resolve(ADAPTER));
    }

    String text() {
        StringBuilder yaml = new StringBuilder("---\n");
        String base = hubModel();
        if (base != null) {
            yaml.append("base_model: ").append(base).append('\n');
        }
        String dataset = option("dataset_name");
        if (ID.matcher(dataset).matches() && !Files.exists(Path.of(dataset))) {
            yaml.append("datasets:\n- ").append(dataset).append('\n');
        }
        boolean isAdapter = isOfAdapter(run);
        yaml.append("library_name: ")
                .append(isAdapter ? "peft" : "transformers")
                .append('\n');
        String license = license();
        if (license != null) {
            yaml.append("license: ").append(license).append('\n');
        }
        return yaml.append("model_name: ")
                .append(TextNode.valueOf(name(run)))
                .append("\npipeline_tag: text-generation\ntags:\n- generated_from_trainer\n- dpo4j\n- ")
                .append(run.trainer())
                .append(isAdapter ? "\n- lora" : "")
                .append(isAdapter && base != null ? "\n- base_model:adapter:" + base : "")
                .append("\n---\n")
                .toString();
    }

    /** The name of the trained model. */
    static String name(RunStart run) {
        Path name = run.directory().toAbsolutePath().normalize().getFileName();
        return run.options().getOrDefault("run_name", name == null ? "model" : name.toString());
    }

    /** The name of the model that was trained: that of the hub, or of its directory. */
    static String baseName(RunStart run) {
        FrontMatter matter = new FrontMatter(run);
        String id = matter.hubModel();
        Path name = Path.of(matter.base()).getFileName();
        return id != null ? id : name == null ? "a model" : name.toString();
    }

    private @Nullable String hubModel() {
        String path = base();
        Matcher cached = CACHED.matcher(path + "/");
        if (cached.matches()) {
            return cached.group(1) + "/" + cached.group(2);
        }
        return ID.matcher(path).matches() && !Files.exists(Path.of(path)) ? path : null;
    }

    /** The licence that the card of the base model states, which also holds for models made from it. */
    private @Nullable String license() {
        Path card = baseDirectory().resolve("README.md");
        try {
            Matcher found = LICENSE.matcher(Files.isRegularFile(card) ? Files.readString(card) : "");
            return found.matches() ? found.group(1) : null;
        } catch (IOException e) {
            return null; // not text, or not readable: it is the base model's, and only copied from
        }
    }

    /** The directory of the model that was trained: if it was given by name, in the cache of the hub. */
    private Path baseDirectory() {
        Path given = Path.of(base());
        if (Files.exists(given) || !HubRepository.isName(given.toString())) {
            return given;
        }
        String revision = run.options().getOrDefault("model_revision", HubRepository.MAIN);
        try {
            Path found = HubCache.local().find(new HubRepository(RepositoryKind.MODEL, given.toString(), revision));
            return found == null ? given : found;
        } catch (Dpo4jException e) {
            return given; // the cache has changed since the run began
        }
    }

    /** Directory or name of the model that was trained; of an adapter, that of its base model. */
    private String base() {
        return isOfAdapter(run)
                ? JsonFile.read(run.directory().resolve(ADAPTER))
                        .path("base_model_name_or_path")
                        .asText("")
                : option("model_name_or_path");
    }

    private String option(String name) {
        return run.options().getOrDefault(name, "");
    }
}
