package org.dpo4j.train;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.hub.Hub;
import org.dpo4j.io.hub.HubRepository;
import org.dpo4j.io.hub.HubSnapshot;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.NamedModel;
import org.jspecify.annotations.Nullable;

/**
 * Downloads the files of a model that dpo4j reads or copies: weights in safetensors, configuration, tokenizer and chat
 * templates. Pickles and Python files are never downloaded.
 */
public final class ModelDownload {
    private static final String WEIGHTS = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final String ADAPTER = "adapter_model.safetensors";
    private static final String ADAPTER_CONFIG = "adapter_config.json";

    /** README.md states the licence, which the card of a trained model takes over. */
    private static final Set<String> DESCRIPTIONS =
            Set.of("config.json", "generation_config.json", ADAPTER_CONFIG, "README.md");

    private static final Pattern OTHER_WEIGHTS =
            Pattern.compile(".*\\.(safetensors|bin|pt|pth|ckpt|h5|msgpack|onnx|gguf)");

    private ModelDownload() {}

    /** Downloads a model, unless it is a path that exists, and the base model of an adapter. */
    public static void all(NamedModel model, Hub hub) {
        one(model, hub);
        HubRepository repository = model.repository();
        Path directory = repository == null ? model.given() : hub.cache().find(repository);
        if (directory == null || !Files.isRegularFile(directory.resolve(ADAPTER_CONFIG))) {
            return;
        }
        JsonNode config = JsonFile.read(directory.resolve(ADAPTER_CONFIG));
        String base = config.path("base_model_name_or_path").asText("");
        if (!base.isEmpty()) {
            @Nullable
            String revision =
                    config.hasNonNull("revision") ? config.path("revision").asText() : null;
            one(new NamedModel(NamedModel.Origin.ADAPTER, Path.of(base), revision), hub);
        }
    }

    private static void one(NamedModel model, Hub hub) {
        HubRepository repository = model.repository();
        if (repository != null) {
            hub.download(repository, snapshot -> {
                List<String> weights = weights(repository, snapshot);
                fetchText(snapshot);
                snapshot.fetch(weights);
            });
        }
    }

    /** As {@link #all}, without weights: for commands that need the tokenizer only. */
    public static void tokenizer(NamedModel model, Hub hub) {
        HubRepository repository = model.repository();
        if (repository != null) {
            hub.download(repository, ModelDownload::fetchText);
        }
    }

    private static void fetchText(HubSnapshot snapshot) {
        Predicate<String> isRead = name -> DESCRIPTIONS.contains(name) || TokenizerFiles.isOne(name);
        snapshot.fetch(snapshot.names().stream().filter(isRead).toList());
    }

    /** One file, the shards of an index, or those of an adapter, as transformers chooses them. */
    private static List<String> weights(HubRepository repository, HubSnapshot snapshot) {
        Set<String> names = snapshot.names();
        for (String one : List.of(WEIGHTS, ADAPTER)) {
            if (names.contains(one) && !(one.equals(ADAPTER) && names.contains(INDEX))) {
                return List.of(one);
            }
        }
        if (!names.contains(INDEX)) {
            throw withoutWeights(repository, names);
        }
        snapshot.fetch(List.of(INDEX));
        Set<String> shards = new TreeSet<>();
        for (JsonNode shard : JsonFile.read(snapshot.directory().resolve(INDEX)).path("weight_map")) {
            shards.add(shard.asText());
        }
        return List.copyOf(shards);
    }

    private static Dpo4jException withoutWeights(HubRepository repository, Set<String> names) {
        List<String> others = names.stream()
                .filter(name -> OTHER_WEIGHTS.matcher(name).matches())
                .limit(3)
                .toList();
        return new Dpo4jException(repository + " has neither " + WEIGHTS + " nor " + INDEX
                + (others.isEmpty() ? "" : ", but " + String.join(", ", others)) + "; give a repository or a "
                + repository.revisionOption()
                + " with weights in safetensors, as the pull request refs/pr/N of a conversion");
    }
}
