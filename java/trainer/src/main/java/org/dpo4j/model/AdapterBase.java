package org.dpo4j.model;

import org.jspecify.annotations.Nullable;

/**
 * The base model that {@code adapter_config.json} names.
 *
 * @param nameOrPath its directory, or its name on the Hugging Face hub
 * @param revision branch, tag or commit of a name; null for {@code main}, and for a directory
 */
public record AdapterBase(String nameOrPath, @Nullable String revision) {}
