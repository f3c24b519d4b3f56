package org.dpo4j.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.dpo4j.data.row.ChangedColumns;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.source.DatasetRequest;
import org.dpo4j.data.source.DatasetRequest.Use;
import org.dpo4j.data.source.Mixture;
import org.dpo4j.data.source.Mixture.Order;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.source.RowSources;
import org.dpo4j.io.hub.Hub;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The value of {@code datasets}: data sets that are mixed, each with the keys of TRL's DatasetConfig, and {@code weight}
 * and {@code column_map}. On the command line it is a JSON list of objects; in a config file it is a list of mappings.
 */
public final class DatasetList {
    private static final Set<String> KEYS =
            Set.of("path", "name", "data_dir", "data_files", "split", "columns", "fraction", "weight", "column_map");

    private final ArrayNode entries;

    private DatasetList(ArrayNode entries) {
        this.entries = entries;
    }

    /** Parses a JSON list of objects. Throws with the fault. */
    public static DatasetList parse(String text) {
        JsonNode json;
        try {
            json = new ObjectMapper().readTree(text);
        } catch (JsonProcessingException e) {
            throw new Dpo4jException("not a JSON list", e);
        }
        if (!(json instanceof ArrayNode list) || list.isEmpty()) {
            throw new Dpo4jException("not a list with one data set at least");
        }
        DatasetList datasets = new DatasetList(list);
        for (int i = 0; i < list.size(); i++) {
            datasets.check(i);
        }
        datasets.shares("fraction");
        datasets.shares("weight");
        return datasets;
    }

    private void check(int i) {
        if (!(entries.get(i) instanceof ObjectNode entry)) {
            throw new Dpo4jException("data set " + (i + 1) + " is no mapping of path and other keys");
        }
        entry.fieldNames().forEachRemaining(key -> {
            if (!KEYS.contains(key)) {
                throw new Dpo4jException("data set " + (i + 1) + " has the unknown key " + key + "; its keys are "
                        + String.join(", ", KEYS.stream().sorted().toList()));
            }
        });
        if (text(entry, "path") == null) {
            throw new Dpo4jException("data set " + (i + 1) + " has no path");
        }
    }

    /** The rows of all data sets. Throws if some cannot be found. */
    RowSource source(long seed) {
        List<RowSource> parts = new ArrayList<>();
        entries.forEach(entry -> parts.add(part((ObjectNode) entry)));
        List<Double> fractions = shares("fraction");
        List<Double> weights = shares("weight");
        if (!fractions.isEmpty() && !weights.isEmpty()) {
            throw new Dpo4jException("datasets has both fraction and weight; leave one out");
        }
        return fractions.isEmpty()
                ? new Mixture(parts, weights.isEmpty() ? Order.CONCATENATED : Order.INTERLEAVED, weights, seed)
                : new Mixture(parts, Order.FIRST_ROWS, fractions, seed);
    }

    /** Downloads those that are names of the hub. */
    void download(Hub hub) {
        for (JsonNode entry : entries) {
            if (!isBuilder(entry)) {
                RowSources.download(request(entry), hub);
            }
        }
    }

    private List<Double> shares(String key) {
        List<Double> shares = new ArrayList<>();
        for (JsonNode entry : entries) {
            JsonNode share = entry.path(key);
            if (share.isMissingNode() || share.isNull()) {
                continue;
            }
            double value = share.asDouble(Double.NaN);
            if (!(value > 0) || Double.isInfinite(value)) {
                throw new Dpo4jException(key + " is " + share.asText() + "; it must be a number above 0");
            }
            shares.add(value);
        }
        if (!shares.isEmpty() && shares.size() < entries.size()) {
            throw new Dpo4jException(key + " is given for " + shares.size() + " of " + entries.size()
                    + " data sets; give it for all of them or for none");
        }
        return shares;
    }

    private static RowSource part(ObjectNode entry) {
        RowSource source = rows(entry);
        JsonNode columns = entry.path("columns");
        if (!columns.isMissingNode() && !columns.isNull()) {
            source = ChangedColumns.keep(source, new TreeSet<>(texts(columns, "columns")));
        }
        if (entry.path("column_map") instanceof ObjectNode map) {
            Map<String, @Nullable String> names = new LinkedHashMap<>();
            map.properties()
                    .forEach(column -> names.put(
                            column.getKey(),
                            column.getValue().isNull()
                                    ? null
                                    : column.getValue().asText()));
            source = ChangedColumns.rename(source, new ColumnMap(names));
        }
        return source;
    }

    private static RowSource rows(ObjectNode entry) {
        DatasetRequest request = request(entry);
        boolean isFiles = isBuilder(entry) && !request.dataFiles().isEmpty() && text(entry, "data_dir") == null;
        return isFiles ? RowSources.files(request.dataFiles()) : RowSources.find(request);
    }

    private static DatasetRequest request(JsonNode entry) {
        String path = String.valueOf(text(entry, "path"));
        String split = text(entry, "split");
        List<String> files = files(entry.path("data_files"), split);
        String directory = text(entry, "data_dir");
        String place = isBuilder(entry) && directory != null ? directory : path;
        String inside = isBuilder(entry) ? null : directory;
        return new DatasetRequest(place, text(entry, "name"), split, inside, files, Use.PART);
    }

    /** Whether a path is the name of a format, as load_dataset takes it. */
    private static boolean isBuilder(JsonNode entry) {
        String path = entry.path("path").asText();
        return path.equals("json") || path.equals("parquet");
    }

    /** A pattern, a list of patterns, or the patterns of each split. */
    private static List<String> files(JsonNode files, @Nullable String split) {
        if (files instanceof ObjectNode splits) {
            String wanted = split == null ? "train" : split;
            if (!splits.has(wanted)) {
                List<String> names = new ArrayList<>();
                splits.fieldNames().forEachRemaining(names::add);
                throw new Dpo4jException("data_files has the splits " + String.join(", ", names) + ", not " + wanted
                        + "; give one of them as split");
            }
            return texts(splits.get(wanted), "data_files");
        }
        return files.isMissingNode() || files.isNull() ? List.of() : texts(files, "data_files");
    }

    private static List<String> texts(JsonNode value, String key) {
        if (value.isTextual()) {
            return List.of(value.asText());
        }
        List<String> texts = new ArrayList<>();
        for (JsonNode element : value) {
            if (!element.isTextual()) {
                throw new Dpo4jException(key + " holds " + element + "; give texts");
            }
            texts.add(element.asText());
        }
        if (texts.isEmpty()) {
            throw new Dpo4jException(key + " is " + value + "; give a text or a list of texts");
        }
        return texts;
    }

    private static @Nullable String text(JsonNode entry, String key) {
        JsonNode value = entry.path(key);
        if (value.isMissingNode() || value.isNull()) {
            return null;
        }
        if (value.isContainerNode() || value.asText().isEmpty()) {
            throw new Dpo4jException(key + " is " + value + "; give a text");
        }
        return value.asText();
    }

    /** As on the command line. */
    @Override
    public String toString() {
        return entries.toString();
    }
}
