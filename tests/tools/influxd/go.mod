module influxd

go 1.25.10

require github.com/influxdata/influxdb/v2 v2.9.1
