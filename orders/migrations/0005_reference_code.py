from typing import Any

from django.conf import settings
from django.db import migrations, models

from erp_site.core.search import as_code


def fill(apps: Any, schema_editor: Any) -> None:
    orders = apps.get_model('orders', 'order')._base_manager
    rows = orders.exclude(customer_reference='').order_by('pk').only('pk', 'customer_reference')
    last = 0
    while some := list(rows.filter(pk__gt=last)[:1000]):
        for row in some:
            row.reference_code = as_code(row.customer_reference)
        orders.bulk_update(some, ['reference_code'])
        last = some[-1].pk


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0003_sorted_name'),
        ('orders', '0004_notes_once'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='order',
            name='reference_code',
            field=models.CharField(blank=True, default='', editable=False, max_length=40),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['reference_code', 'id'], name='order_by_reference'),
        ),
    ]
