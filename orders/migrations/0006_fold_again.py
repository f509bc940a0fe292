from typing import Any

from django.db import migrations

from erp_site.core.search import as_code, fold_again


def fold_all(apps: Any, schema_editor: Any) -> None:
    """"№ 5" was folded to "No 5", with a capital: so were names, words and references of all apps, which orders know."""
    for app, model, *names in (
        ('catalog', 'product', 'name'),
        ('customers', 'customer', 'name'),
        ('accounts', 'user', 'name', 'email'),
    ):
        fold_again(apps.get_model(app, model), apps.get_model(app, f'{model}word'), *names)
    orders = apps.get_model('orders', 'order')._base_manager
    columns = ('pk', 'customer_reference', 'reference_code')
    rows = orders.exclude(customer_reference='').order_by('pk').values_list(*columns)
    last = 0
    while some := list(rows.filter(pk__gt=last)[:1000]):
        for pk, reference, code in some:
            if code != as_code(reference):
                orders.filter(pk=pk).update(reference_code=as_code(reference))
        last = some[-1][0]


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_sorted_name'),
        ('catalog', '0003_sorted_name'),
        ('customers', '0003_sorted_name'),
        ('orders', '0005_reference_code'),
    ]

    operations = [
        migrations.RunPython(fold_all, migrations.RunPython.noop, elidable=True),
    ]
