package org.dpo4j.data.source;

import java.util.List;
import java.util.stream.Collectors;

/**
 * The rows of several files, one file after the other.
 *
 * @param name what errors and reports call all of them
 * @param notes what a user should know about the choice of files
 */
record DirectorySource(String name, List<RowSource> sources, List<String> notes) implements RowSource {

    @Override
    public Rows open() {
        return new ShardRows(sources);
    }

    @Override
    public List<SourceFile> files() {
        return sources.stream().flatMap(source -> source.files().stream()).toList();
    }

    @Override
    public String identity() {
        return sources.stream().map(source -> String.valueOf(source.identity())).collect(Collectors.joining("\n"));
    }
}
