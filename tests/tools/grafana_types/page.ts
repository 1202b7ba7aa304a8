// A dashboard as JSON, by the types that Grafana publishes. Those are of TypeScript: their enums are turned into the
// words that stand in JSON, and what they leave open (a panel's kind, its questions) is said here.
import type { AnnotationQuery, Dashboard, FieldConfig, Panel, RowPanel, VariableModel } from "@grafana/schema";
import type { Options as BarGauge } from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type { Options as Gauge } from "@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen";
import type { FieldConfig as HeatmapField, Options as Heatmap } from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type { Options as Logs } from "@grafana/schema/dist/esm/raw/composable/logs/panelcfg/x/LogsPanelCfg_types.gen";
import type { Options as Stat } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type { FieldConfig as StatesField, Options as States } from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type { FieldConfig as TableField, Options as Table } from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type { FieldConfig as ChartField, Options as Chart } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

type Plain<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends readonly (infer Item)[]
      ? Plain<Item>[]
      : T extends object
        ? { [Key in keyof T]: Plain<T[Key]> }
        : T;

type Source = { type: string; uid: string };
type Sql = {
  refId: string;
  datasource: Source;
  editorMode: "code";
  format: "time_series" | "table";
  rawQuery: true;
  rawSql: string;
};
type Flux = { refId: string; datasource: Source; query: string };
type Nothing = Record<string, never>;
type Link = { title: string; url: string; targetBlank?: boolean };

type Drawn<Kind extends string, Options, Custom> = Omit<Plain<Panel>, "type" | "options" | "fieldConfig" | "targets"> & {
  id: number;
  type: Kind;
  title: string;
  description: string;
  datasource: Source;
  targets: (Sql | Flux)[];
  options: Plain<Options>;
  fieldConfig: {
    defaults: Omit<Plain<FieldConfig>, "custom" | "links"> & { custom: Plain<Custom>; links?: Link[] };
    overrides: { matcher: { id: string; options: string }; properties: { id: string; value: unknown }[] }[];
  };
};

type AnyPanel =
  | Plain<RowPanel>
  | Drawn<"bargauge", BarGauge, Nothing>
  | Drawn<"gauge", Gauge, Nothing>
  | Drawn<"heatmap", Heatmap, HeatmapField>
  | Drawn<"logs", Logs, Nothing>
  | Drawn<"stat", Stat, Nothing>
  | Drawn<"state-timeline", States, StatesField>
  | Drawn<"table", Table, TableField>
  | Drawn<"timeseries", Chart, ChartField>;

export type Page = Omit<Plain<Dashboard>, "panels" | "annotations" | "templating"> & {
  uid: string;
  annotations: { list: (Omit<Plain<AnnotationQuery>, "target" | "datasource"> & { datasource: Source; target: Sql })[] };
  templating: { list: Plain<VariableModel>[] };
  panels: AnyPanel[];
};
